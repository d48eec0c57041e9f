-- StopBatch: cancels what has not ended, closes the batch and ends it as CANCELED. Raises MP001 (no such batch).
-- A batch that has ended stays as it is. A request_id that has been answered gets that answer again, with its hash.
create function mp_stop_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, p_reason text,
  out o_from smallint[], out o_already_ended bigint, out o_batch jsonb, out o_ready integer[], out o_follow_ups bigint[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  stopped record;
  appended record;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_from := array(select jsonb_array_elements_text(earlier -> 'from'))::smallint[];
    o_already_ended := (earlier ->> 'already_ended')::bigint;
    o_batch := earlier -> 'batch';
    return;
  end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  stopped := mp_stop(p_batch, p_reason);
  o_from := stopped.o_from;
  o_ready := stopped.o_ready;
  appended := mp_append_event(stopped.o_changes, array[p_batch], p_batch);
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
  o_batch := mp_batch_json(p_batch);
  o_already_ended := (o_batch ->> 'total')::bigint - cardinality(o_from);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('from', o_from, 'already_ended', o_already_ended, 'batch', o_batch));
end $$;
