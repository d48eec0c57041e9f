-- Of some lanes, those of which is counted what is offered: work decides, something is blocked, or of a key there is not room for thousands. Of the others there is
-- nothing to offer or to block: claims decide, and nobody else locks their keys. Null: none.
create or replace function mp_tight_lanes(p_lanes bigint[]) returns bigint[] language plpgsql stable as $$
declare
  lookout constant integer := 10000;
  seen record;
  some_blocked boolean;
begin
  if p_lanes = '{}' then return null; end if;
  some_blocked := exists (select from blocked);
  -- Most often there is room for all under the lowest of their bounds: one look along the keys tells.
  select bool_or(l.has_capacity) as has_capacity, array_agg(distinct k.key) as keys, min(k.bound) as bound
  into seen from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys, l.bounds) k(key, bound);
  if not some_blocked and not seen.has_capacity and not exists (select from rule_usage u where u.key_id = any (seen.keys) and u.in_use > seen.bound - lookout) then
    return null;
  end if;
  return (
    select array_agg(l.id) from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id])
    where l.has_capacity or (some_blocked and exists (select from blocked b where b.lane = l.id offset 0))
      or exists (select from unnest(l.keys, l.bounds) k(key, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.bound - u.in_use < lookout)
  );
end $$;
