-- What a repetition of a create is told, as mp_create answers it: of what was kept with the request_id.
-- Of most creates that is short: new_batch (batch_id, open, status, total, waiting, pending, running, expected_count) and answer, of the tasks. The rest is as it was: a new batch has nothing that
-- has ended, and its name, metadata and time never change. What deletes batches has to keep those whose request_id is kept: without the batch there is no answer.
create function mp_kept_create(p_result jsonb) returns jsonb language sql stable as $$
  select jsonb_build_object('answer', p_result -> 'answer', 'moved', null, 'moved_to', null, 'batch', p_result -> 'new_batch' || jsonb_build_object(
    'name', b.name, 'metadata', b.metadata, 'create_time', b.create_time, 'stop_reason', null, 'end_time', null, 'success_count', '0', 'failure_count', '0',
    'claimed', 0, 'paused', 0, 'success', 0, 'failure', 0, 'canceled', 0, 'skipped', 0))
  from batch b where b.id = (p_result -> 'new_batch' ->> 'batch_id')::bigint
$$;
