-- Whether there seems to be room for one task of each of these lanes (an element for each task), and for as many again, and nothing waits for it. Then a claim takes tasks first, and
-- looks at their keys last, for as short as it can. Not where work or a window decides.
create function mp_are_roomy(p_lanes bigint[]) returns boolean language sql stable as $$
  with want as materialized (
    select l.id, l.keys, l.types, l.bounds, l.has_capacity, w.n from (select x.lane, count(*) as n from unnest(p_lanes) x(lane) where x.lane is not null group by x.lane) w
      join lane l on l.id = any (array[w.lane])
  )
  select not exists (select from want w where w.has_capacity or 3 = any (w.types) or exists (select from blocked b where b.lane = w.id offset 0))
    and not exists (
      select from (select k.key, min(k.bound) as bound, sum(w.n) as n from want w cross join lateral unnest(w.keys, w.bounds) k(key, bound) group by k.key) s
        join rule_usage u on u.key_id = any (array[s.key]) where u.in_use + 2 * s.n > s.bound)
$$;
