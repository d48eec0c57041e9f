-- Reports of executors, at most one per task and call, ordered by id. p_attempts: 0 means the current one.
-- p_actions: 1 started, 2 heartbeat, 3 success, 4 failure. A report is taken from CLAIMED and RUNNING and of the current attempt only.
-- What follows (propagation, the batch, the event) happens only for rows that changed. Answers a row per task: taken or not, and its state.
create function mp_report(p_ids bigint[], p_attempts integer[], p_actions smallint[], p_outputs text[], p_causes smallint[], p_messages text[], p_codes text[],
  p_details text[], p_progress text[], p_success_counts bigint[], p_failure_counts bigint[], out o_taken bigint[], out o_ready integer[])
language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  moved record;
  settled record;
  changes mp_changes;
begin
  with u as (
    update task_state h set
      status = case x.action when 3 then 6 when 4 then 7 else 4 end,
      prior_status = case when x.action >= 3 or h.status = 3 then h.status else 0 end,
      run_time = coalesce(h.run_time, now_time),
      activity_time = now_time,
      end_time = case when x.action >= 3 then now_time end,
      lease_until = case when x.action < 3 and h.execution <> 2 then h.lease_until end,
      success_count = h.success_count + x.success_count,
      failure_count = h.failure_count + x.failure_count
    from unnest(p_ids, p_attempts, p_actions, p_outputs, p_causes, p_messages, p_codes, p_details, p_progress, p_success_counts, p_failure_counts)
      x(id, attempt, action, output, cause, message, code, details, progress, success_count, failure_count)
    where h.id = any (array[x.id]) and h.status in (3, 4) and (x.attempt = 0 or x.attempt = h.attempt)
    returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.worker, h.dependents, h.run_time, h.inactivity_timeout_ms,
      x.output, x.cause, x.message, x.code, x.details, x.progress, x.success_count, x.failure_count
  ), kept as (
    insert into task_attempt as a (task_id, attempt, status, cause, worker, start_time, end_time, message, code, details, output, progress)
    select id, attempt, case when status > 5 then status end, cause, worker, run_time, case when status > 5 then now_time end, message, code, details, output, progress
    from u where status = 7 or output is not null or progress is not null
    on conflict (task_id, attempt) do update set status = excluded.status, cause = excluded.cause, worker = excluded.worker, start_time = excluded.start_time,
      end_time = excluded.end_time, message = excluded.message, code = excluded.code, details = excluded.details, output = excluded.output,
      progress = coalesce(excluded.progress, a.progress)
  ), watched as (
    insert into timer (due, task_ids, attempts)
    select now_time + min(inactivity_timeout_ms) * interval '1 millisecond', array_agg(id), array_agg(attempt) from u where status = 4 and prior_status = 3 having count(*) > 0
  )
  select array_agg(id) as ids,
    array_agg((case when status = 7 or output is not null then 3 else 2 end)::smallint) filter (where prior_status <> 0) as types,
    array_agg(batch_id) filter (where prior_status <> 0) as batch_ids, array_agg(id) filter (where prior_status <> 0) as task_ids,
    array_agg(prior_status) filter (where prior_status <> 0) as from_statuses, array_agg(status) filter (where prior_status <> 0) as to_statuses,
    array_agg(attempt) filter (where prior_status <> 0) as attempts, array_agg(queue) filter (where prior_status <> 0) as queues,
    array_agg(coalesce(worker, 0)) filter (where prior_status <> 0) as workers,
    array_agg(id) filter (where status > 5 and dependents > 0) as ended, array_agg(status) filter (where status > 5 and dependents > 0) as ended_statuses,
    array_agg(id) filter (where success_count > 0 or failure_count > 0) as counted,
    array_agg(success_count) filter (where success_count > 0 or failure_count > 0) as success_counts,
    array_agg(failure_count) filter (where success_count > 0 or failure_count > 0) as failure_counts
  into moved from u;

  o_taken := coalesce(moved.ids, '{}');
  o_ready := '{}';
  if moved.ids is null then return; end if;
  changes := row(moved.types, moved.batch_ids, moved.task_ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
  if moved.counted is not null then
    select array_agg(4::smallint) || changes.types, array_agg(h.batch_id) || changes.batch_ids, array_agg(h.id) || changes.task_ids,
      array_agg(h.status) || changes.from_statuses, array_agg(h.status) || changes.to_statuses, array_agg(h.attempt) || changes.attempts,
      array_agg(h.queue) || changes.queues, array_agg(coalesce(h.worker, 0)) || changes.workers, array_agg(h.success_count), array_agg(h.failure_count)
    into changes from unnest(moved.counted) x(id) join task_state h on h.id = any (array[x.id]);
  end if;
  if moved.ended is not null then
    select * into settled from mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes);
    changes := settled.p_changes;
    o_ready := settled.o_ready;
  end if;
  if moved.counted is not null then
    -- The rows of all batches that this transaction changes, in their order, before some of them get counts.
    perform from batch_state b where b.batch_id = any (changes.batch_ids) order by b.batch_id for update;
    update batch_state b set success_count = b.success_count + d.s, failure_count = b.failure_count + d.f
    from (select h.batch_id, sum(x.s) s, sum(x.f) f from unnest(moved.counted, moved.success_counts, moved.failure_counts) x(id, s, f)
      join task_state h on h.id = any (array[x.id]) group by h.batch_id) d where b.batch_id = any (array[d.batch_id]);
  end if;
  perform mp_append_event(changes);
end $$;
