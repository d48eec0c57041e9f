-- The numbers of rules, in the order given; those that are new are added. p_fields: JSON arrays. Arrays hold each rule once.
create function mp_add_rules(p_namespace integer, p_names text[], p_kinds text[], p_fields text[], p_types smallint[], p_bounds bigint[], p_windows bigint[], p_digests text[])
returns integer[] language plpgsql as $$
begin
  insert into rule (namespace_id, name, kind, fields, type, bound, window_ms, digest)
  select p_namespace, x.name, x.kind, array(select jsonb_array_elements_text(x.fields::jsonb)), x.type, x.bound, x.window_ms, x.digest
  from unnest(p_names, p_kinds, p_fields, p_types, p_bounds, p_windows, p_digests) x(name, kind, fields, type, bound, window_ms, digest)
  order by x.digest on conflict do nothing;
  return array(select r.id from unnest(p_digests) with ordinality x(digest, n)
    cross join lateral (select q.id from rule q where q.namespace_id = p_namespace and q.digest = x.digest offset 0) r order by x.n);
end $$;
