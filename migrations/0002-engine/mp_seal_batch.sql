-- SealBatch: no more tasks; a batch with nothing left to do ends. Raises MP001 (no such batch). Sealing twice changes nothing.
-- A request_id that has been answered gets that answer again, with its hash.
create function mp_seal_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, out o_batch jsonb, out o_ready integer[], out o_replayed_hash bytea) language plpgsql as $$
declare
  now_status smallint;
  changes mp_changes;
  appended record;
begin
  o_ready := '{}';
  select * into o_batch, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_batch is not null then return; end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  update batch_state set open = false where batch_id = p_batch and open returning status into now_status;
  if now_status is not null then
    changes := row(array[5::smallint], array[p_batch], array[0::bigint], array[now_status], array[now_status], array[0], array[0], array[0], null, null);
    appended := mp_append_event(changes, array[p_batch]);
    if appended.o_wake then o_ready := array[0]; end if;
  end if;
  o_batch := mp_batch_json(p_batch);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, o_batch);
end $$;
