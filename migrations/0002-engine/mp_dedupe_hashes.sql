-- Under which shapes, and by which hashes of the values of their fields, a task may be found as a duplicate.
create function mp_dedupe_hashes(p_namespace integer, p_queue integer, p_metadata jsonb) returns table (shape integer, hash bigint) language sql stable rows 2 as $$
  select s.id, mp_dedupe_hash(s.id, s.fields, p_metadata)
  from queue q join dedupe_shape s on s.namespace_id = any (array[p_namespace]) and s.kind = q.kind
  where q.id = any (array[p_queue]) and jsonb_exists_all(coalesce(p_metadata, '{}'), s.fields)
$$;
