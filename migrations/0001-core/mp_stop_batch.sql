-- StopBatch: cancels what has not ended, closes the batch and ends it as CANCELED. Raises MP001 (no such batch).
-- A batch that has ended stays as it is. A request_id that has been answered gets that answer again, with its hash.
create function mp_stop_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, p_reason text,
  out o_from smallint[], out o_already_ended bigint, out o_batch jsonb, out o_ready integer[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  now_time timestamptz;
  ids bigint[];
  canceled record;
  changes mp_changes;
  was smallint;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_from := array(select jsonb_array_elements_text(earlier -> 'from'))::smallint[];
    o_already_ended := (earlier ->> 'already_ended')::bigint;
    o_batch := earlier -> 'batch';
    return;
  end if;
  perform from batch where id = p_batch and namespace_id = p_namespace for update;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  o_from := '{}';
  o_ready := '{}';
  now_time := clock_timestamp();
  -- Twice: without the batch's row, as everybody takes tasks before it; then with it, for what was created meanwhile.
  for pass in 1..2 loop
    if pass = 2 then
      perform from batch_state where batch_id = p_batch for update;
    end if;
    select array_agg(t.id) into ids from task t join task_state h on h.id = any (array[t.id]) where t.batch_id = p_batch and h.status < 6;
    continue when ids is null;
    select * into canceled from mp_cancel(ids, p_reason, true, now_time, changes);
    changes := canceled.p_changes;
    o_from := o_from || canceled.o_from;
    o_ready := o_ready || canceled.o_ready;
  end loop;
  update batch_state b set status = 5, prior_status = b.status, open = false, end_time = now_time
  where b.batch_id = p_batch and b.status in (1, 2) returning b.prior_status into was;
  if was is not null then
    update batch set stop_reason = p_reason where id = p_batch;
    changes := mp_concat(changes, row(array[5::smallint], array[p_batch], array[0::bigint], array[was], array[5::smallint], array[0], array[0], array[0], null, null));
  end if;
  perform mp_append_event(changes);
  o_batch := mp_batch_json(p_batch);
  o_already_ended := (o_batch ->> 'total')::bigint - cardinality(o_from);
  if p_request_id is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    values (p_namespace, p_request_id, now(), p_hash, jsonb_build_object('from', o_from, 'already_ended', o_already_ended, 'batch', o_batch));
  end if;
end $$;
