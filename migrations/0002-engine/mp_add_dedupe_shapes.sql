-- Begins to compare some fields of some kinds (p_fields: arrays as text, sorted): tasks that exist become findable. Creates wait meanwhile.
create function mp_add_dedupe_shapes(p_namespace integer, p_kinds text[], p_fields text[]) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7710, 2);
  with fresh as (
    insert into dedupe_shape (namespace_id, kind, fields)
    select distinct p_namespace, x.kind, x.fields::text[] from unnest(p_kinds, p_fields) x(kind, fields) on conflict do nothing returning id, kind, fields
  )
  insert into dedupe_key (shape, hash, task_id)
  select f.id, hashtextextended((select coalesce(jsonb_agg(t.metadata -> e order by n)::text, '[]') from unnest(f.fields) with ordinality x(e, n)), f.id), t.id
  from task t join queue q on q.id = t.queue join fresh f on f.kind = q.kind
  where t.namespace_id = p_namespace and jsonb_exists_all(coalesce(t.metadata, '{}'), f.fields);
end $$;
