-- The numbers of those who take turns, in the order given; those that are new are added, the others get these weights. Their tasks are of queues: there, claims look for turns from now on.
-- Arrays hold each key once.
create function mp_add_flows(p_namespace integer, p_keys text[], p_weights integer[], p_queues integer[]) returns integer[] language plpgsql as $$
begin
  insert into flow (namespace_id, key, weight) select p_namespace, x.key, x.weight from unnest(p_keys, p_weights) x(key, weight) order by md5(x.key)
  on conflict (namespace_id, md5(key)) do update set weight = excluded.weight where flow.weight <> excluded.weight;
  insert into fair_queue (queue) select distinct q from unnest(p_queues) q order by q on conflict do nothing;
  return array(select f.id from unnest(p_keys) with ordinality x(key, n) cross join lateral (
    select q.id from flow q where q.namespace_id = p_namespace and md5(q.key) = md5(x.key) offset 0) f order by x.n);
end $$;
