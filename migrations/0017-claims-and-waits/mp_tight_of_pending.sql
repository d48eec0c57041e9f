-- The lanes of tasks that may start of which mp_tight_lanes says that they are looked at; null: none. An element for each task.
create function mp_tight_of_pending(p_statuses smallint[], p_lanes bigint[]) returns bigint[] language plpgsql stable as $$
begin
  if p_lanes is null or 2 = any (p_statuses) is not true then return null; end if;
  if 2 = all (p_statuses) then
    return mp_tight_lanes(array(select distinct x.lane from unnest(p_lanes) x(lane) where x.lane is not null));
  end if;
  return mp_tight_lanes(array(select distinct x.lane from unnest(p_statuses, p_lanes) x(status, lane) where x.status = 2 and x.lane is not null));
end $$;
