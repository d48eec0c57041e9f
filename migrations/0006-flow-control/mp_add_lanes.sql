-- The numbers of lanes, in the order given; those that are new are added. p_rules, p_keys: arrays as text, parallel, ordered by keys. Arrays hold each lane once.
create function mp_add_lanes(p_namespace integer, p_queues integer[], p_rules text[], p_keys text[], p_digests text[], p_flows integer[]) returns bigint[] language plpgsql as $$
begin
  with added as (
    insert into lane (namespace_id, queue, flow, rules, keys, types, bounds, windows, has_capacity, digest)
    select p_namespace, x.queue, x.flow, x.rules::integer[], x.keys::bigint[], r.types, r.bounds, r.windows, 2 = any (r.types), x.digest
    from unnest(p_queues, p_rules, p_keys, p_digests, p_flows) x(queue, rules, keys, digest, flow) cross join lateral (
      select array_agg(rule.type order by y.n) as types, array_agg(rule.bound order by y.n) as bounds, array_agg(rule.window_ms order by y.n) as windows
      from unnest(x.rules::integer[]) with ordinality y(id, n) join rule on rule.id = any (array[y.id])) r
    order by x.digest on conflict do nothing returning id, keys
  )
  insert into lane_key (key_id, lane) select distinct k.key, added.id from added cross join lateral unnest(added.keys) k(key);
  return array(select l.id from unnest(p_digests) with ordinality x(digest, n) cross join lateral (
    select q.id from lane q where q.digest = x.digest offset 0) l order by x.n);
end $$;
