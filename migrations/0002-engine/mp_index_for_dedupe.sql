-- Makes tasks findable as duplicates.
create function mp_index_for_dedupe(p_ids bigint[]) returns void language plpgsql as $$
begin
  insert into dedupe_key (shape, hash, task_id)
  select d.shape, d.hash, t.id from unnest(p_ids) x(id) join task t on t.id = any (array[x.id]) cross join lateral mp_dedupe_hashes(t.namespace_id, t.queue, t.metadata) d
  on conflict do nothing;
end $$;
