-- Of some lanes, those of which is counted what is offered: work decides, something is blocked, or of a key there is not room for thousands. Of the others there is
-- nothing to offer or to block: claims decide, and nobody else locks their keys. Null: none.
create function mp_tight_lanes(p_lanes bigint[]) returns bigint[] language sql stable as $$
  select array_agg(l.id) from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id])
  where l.has_capacity or exists (select from blocked b where b.lane = l.id offset 0)
    or exists (select from unnest(l.keys, l.bounds) k(key, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.bound - u.in_use < 10000)
$$;
