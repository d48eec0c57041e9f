-- A number of milliseconds for people: "300 ms", "1.5 s", "2 h".
create function mp_duration(p_ms bigint) returns text language sql immutable as $$
  select case when p_ms < 1000 then p_ms || ' ms' when p_ms % 3600000 = 0 then p_ms / 3600000 || ' h' when p_ms % 60000 = 0 then p_ms / 60000 || ' min'
    else trim_scale(p_ms / 1000.0) || ' s' end
$$;
