-- Cancels tasks that have not ended. Locks those that have left WAITING and PAUSED first, then the others together with all that may be brought
-- down, each in the order of ids: the order in which a report takes them. Answers the ids that it canceled and the status each had.
-- p_late_only: p_ids are all living tasks of a batch, so only those of other batches can be brought down.
create or replace function mp_cancel(p_ids bigint[], p_reason text, p_late_only boolean, p_time timestamptz,
  inout p_changes mp_changes, out o_ids bigint[], out o_from smallint[], out o_ready integer[])
language plpgsql as $$
declare
  moved record;
  settled record;
begin
  o_ids := '{}';
  o_from := '{}';
  o_ready := '{}';
  if p_late_only then
    perform from task_state h where h.id = any (p_ids) and h.status < 6 order by h.status in (1, 5), h.id for update;
  else
    perform from task_state h where h.id = any (p_ids) and h.status in (2, 3, 4) order by h.id for update;
    perform mp_lock_downstream('{}', p_ids, false);
  end if;
  with u as (
    update task_state h set status = 8, prior_status = h.status, end_time = p_time, lease_until = null
    where h.id = any (p_ids) and h.status < 6
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.priority, h.worker, h.claim_time, h.run_time, h.dependents, h.edits
  ), kept as (
    insert into task_attempt (task_id, attempt, status, worker, claim_time, start_time, end_time, message)
    select id, case when prior_status in (3, 4) then attempt else -edits end, 8, case when prior_status in (3, 4) then worker end,
      case when prior_status in (3, 4) then claim_time end, case when prior_status in (3, 4) then run_time end, p_time, p_reason from u
    on conflict (task_id, attempt) do update set status = 8, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg((case when prior_status in (3, 4) then 3 else 7 end)::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses,
    array_agg(8::smallint) to_statuses, array_agg(attempt) attempts, array_agg(queue) queues, array_agg(case when prior_status in (3, 4) then coalesce(worker, 0) else edits end) workers,
    array_agg(id) filter (where dependents > 0) ended, array_agg(id) filter (where prior_status = 2) pending
  into moved from u;
  if moved.ids is null then return; end if;
  o_ids := moved.ids;
  o_from := moved.from_statuses;
  p_changes := mp_concat(p_changes, row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null));
  if moved.ended is not null then
    settled := mp_settle(moved.ended, array_fill(8::smallint, array[cardinality(moved.ended)]), '{}', '{}', '{}', '{}', p_late_only, p_time, p_changes);
    p_changes := settled.p_changes;
    o_ready := settled.o_ready;
  end if;
  -- When all tasks are locked: it may wait for a claim, which waits for nobody.
  perform mp_dequeue(moved.pending);
end $$;
