-- The numbers of keys, in the order given; those that are new are added, with nothing taken of them. Arrays hold each key once.
create function mp_add_rule_keys(p_namespace integer, p_types smallint[], p_windows bigint[], p_kinds text[], p_keys text[]) returns bigint[] language plpgsql as $$
begin
  with added as (
    insert into rule_key (namespace_id, type, window_ms, kind, key)
    select p_namespace, x.type, x.window_ms, x.kind, x.key from unnest(p_types, p_windows, p_kinds, p_keys) x(type, window_ms, kind, key)
    order by x.type, x.window_ms, md5(x.key) on conflict do nothing returning id
  )
  insert into rule_usage (key_id) select id from added;
  return array(select k.id from unnest(p_types, p_windows, p_keys) with ordinality x(type, window_ms, key, n)
    cross join lateral (
      select q.id from rule_key q where q.namespace_id = p_namespace and q.type = x.type and q.window_ms = x.window_ms and md5(q.key) = md5(x.key) offset 0) k order by x.n);
end $$;
