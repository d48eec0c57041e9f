-- Begins to compare some fields of some kinds (p_fields: arrays as text, sorted): what is created from now on is findable; what exists is added by
-- mp_fill_dedupe_shape. Creates wait for the moment of it.
create function mp_add_dedupe_shapes(p_namespace integer, p_kinds text[], p_fields text[]) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7710, 2);
  insert into dedupe_shape (namespace_id, kind, fields, filled_below)
  select distinct p_namespace, x.kind, x.fields::text[], coalesce((select max(id) + 1 from task), 0) from unnest(p_kinds, p_fields) x(kind, fields) on conflict do nothing;
end $$;
