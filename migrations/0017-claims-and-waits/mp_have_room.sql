-- Whether there seems to be room for so many tasks of each of these lanes, and for as many again, and nothing waits for it. Then a claim takes tasks first, and looks at their keys last,
-- for as short as it can. Not where work or a window decides. While nothing at all is blocked, keys are not looked at: who finds one full blocks something.
create function mp_have_room(p_lanes bigint[], p_counts bigint[]) returns boolean language plpgsql stable as $$
begin
  if exists (select from unnest(p_lanes) x(lane) join lane l on l.id = any (array[x.lane]) where l.has_capacity or 3 = any (l.types)) then return false; end if;
  if not exists (select from blocked) then return true; end if;
  return not exists (select from unnest(p_lanes) x(lane) where exists (select from blocked b where b.lane = x.lane offset 0))
    and not exists (
      select from (
        select k.key, min(k.bound) as bound, sum(w.n) as n from unnest(p_lanes, p_counts) w(lane, n)
          join lane l on l.id = any (array[w.lane]) cross join lateral unnest(l.keys, l.bounds) k(key, bound) group by k.key
      ) s join rule_usage u on u.key_id = any (array[s.key]) where u.in_use + 2 * s.n > s.bound);
end $$;
