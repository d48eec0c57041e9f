-- Of some lanes, whose keys the caller has locked or taken from, those to be offered: more is blocked, none of what is offered is left, and there is room, or a window may have.
create function mp_drained_lanes(p_lanes bigint[]) returns bigint[] language sql stable as $$
  select array_agg(l.id) from (select distinct x.lane from unnest(p_lanes) x(lane) where x.lane is not null) x join lane l on l.id = any (array[x.lane])
  where exists (select from blocked b where b.lane = l.id offset 0) and not exists (select from ready r where r.lane = l.id offset 0)
    and (3 = any (l.types) or not exists (
      select from unnest(l.keys, l.bounds) k(key, bound) cross join lateral (select u.in_use from rule_usage u where u.key_id = k.key offset 0) u where u.in_use >= k.bound))
$$;
