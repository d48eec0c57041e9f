-- What is taken of a key at a time: what is held, or of a rate the starts that its window still holds; at most what 64 bits hold.
create function mp_taken(p_key bigint, p_window bigint, p_in_use numeric, p_time timestamptz) returns bigint language sql stable as $$
  select least(case when p_window = 0 then p_in_use else p_in_use - coalesce((
    select sum(s.starts) from rate_start s where s.key_id = p_key and s.start_time <= p_time - p_window * interval '1 millisecond'), 0) end, 9223372036854775807)::bigint
$$;
