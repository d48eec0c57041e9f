-- Reports of executors, at most one per task and call, ordered by id. p_attempts: 0 means the current one.
-- p_actions: 1 started, 2 heartbeat, 3 success, 4 failure. A report is taken from CLAIMED and RUNNING and of the current attempt only.
-- An array of which every value would be null, false or 0 is null. Of p_attempts and p_actions, the last value stands for all that follow.
-- A failure that the task's policy repeats makes it PENDING, with a start time in the future. What follows (propagation, the batch, the event) happens
-- only for rows that changed. Answers which reports were taken, with the status and the attempt that each task has then.
-- p_slots: places for what becomes ready (mp_settle), or else for what may start as a rule has room again (mp_append_event). Answers what started, with its places.
create or replace function mp_report(p_ids bigint[], p_attempts integer[], p_actions smallint[], p_outputs text[], p_causes smallint[], p_messages text[], p_codes text[],
  p_details text[], p_progress text[], p_success_counts bigint[], p_failure_counts bigint[], p_non_retryable boolean[], p_retry_delays bigint[],
  p_cancel_webhooks text[], p_slots mp_slots default null, out o_taken bigint[], out o_statuses smallint[], out o_attempts integer[], out o_ready integer[],
  out o_follow_ups bigint[], out o_started bigint[], out o_started_attempts integer[], out o_places integer[])
language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  -- Of all, if it is one.
  same_attempt integer := case when cardinality(p_attempts) = 1 then p_attempts[1] end;
  moved record;
  settled record;
  changes mp_changes;
  moves mp_moves;
  appended record;
begin
  if p_outputs is null and p_causes is null and p_progress is null and p_success_counts is null and p_failure_counts is null and p_cancel_webhooks is null
    and 3 = all (p_actions) then
    -- Nothing but successes without outputs: most reports are such, and nothing of retry policies and attempts has to be looked at.
    -- One scan of the index for all of them, in the order of their ids, which finds the attempt of each by halving: a join would look for each by itself.
    if same_attempt is null then p_attempts := mp_fill(p_attempts, cardinality(p_ids)); end if;
    with u as (
      update task_state h set status = 6, prior_status = h.status, run_time = coalesce(h.run_time, now_time), activity_time = now_time, end_time = now_time, lease_until = null
      where h.id = any (p_ids) and h.status in (3, 4) and coalesce(same_attempt, p_attempts[width_bucket(h.id, p_ids)]) in (0, h.attempt)
      returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.worker, h.dependents, h.grown or h.cascades as is_special, h.held_lane, h.held_amount
    )
    select array_agg(id) as ids, array_fill(6::smallint, array[count(*)::integer]) as statuses, array_agg(attempt) as attempts,
      array[2::smallint] as types, array_agg(batch_id) as batch_ids, array_agg(id) as task_ids,
      array_agg(prior_status) as from_statuses, array[6::smallint] as to_statuses, array_agg(attempt) as event_attempts, array_agg(queue) as queues,
      array_agg(coalesce(worker, 0)) as workers, null::bigint[] as again,
      array_agg(id) filter (where dependents > 0) as ended, array_fill(6::smallint, array[(count(*) filter (where dependents > 0))::integer]) as ended_statuses,
      null::bigint[] as counted, null::bigint[] as success_counts, null::bigint[] as failure_counts, not bool_or(is_special) as plain,
      array_agg(held_lane) filter (where held_lane is not null) as held_lanes, array_agg(held_amount) filter (where held_lane is not null) as held_amounts
    into moved from u;
  else
    p_attempts := mp_fill(p_attempts, cardinality(p_ids));
    p_actions := mp_fill(p_actions, cardinality(p_ids));
    with u as (
      update task_state h set
        status = case x.action when 3 then 6 when 4 then case when h.retry_policy is not null
          and mp_may_retry(h.retry_policy, h.attempt - h.released - h.requeued, x.cause, x.code, x.non_retryable) then 2 else 7 end else 4 end,
        prior_status = case when x.action >= 3 or h.status = 3 then h.status else 0 end,
        run_time = case when x.action = 4 then h.run_time else coalesce(h.run_time, now_time) end,
        activity_time = now_time,
        end_time = case when x.action = 3 or (x.action = 4 and (h.retry_policy is null
          or not mp_may_retry(h.retry_policy, h.attempt - h.released - h.requeued, x.cause, x.code, x.non_retryable))) then now_time end,
        start_time = case when x.action = 4 and h.retry_policy is not null
            and mp_may_retry(h.retry_policy, h.attempt - h.released - h.requeued, x.cause, x.code, x.non_retryable)
          then now_time + mp_retry_delay(h.retry_policy, h.attempt - h.released - h.requeued, x.retry_delay) * interval '1 millisecond' else h.start_time end,
        lease_until = case when x.action < 3 and h.execution <> 2 then h.lease_until end,
        success_count = h.success_count + coalesce(x.success_count, 0),
        failure_count = h.failure_count + coalesce(x.failure_count, 0)
      from unnest(p_ids, p_attempts, p_actions, p_outputs, p_causes, p_messages, p_codes, p_details, p_progress, p_success_counts, p_failure_counts,
          p_non_retryable, p_retry_delays, p_cancel_webhooks)
        x(id, attempt, action, output, cause, message, code, details, progress, success_count, failure_count, non_retryable, retry_delay, cancel_webhook)
      where h.id = any (array[x.id]) and h.status in (3, 4) and (x.attempt = 0 or x.attempt = h.attempt)
      returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.worker, h.dependents, h.claim_time, h.run_time, h.start_time,
        h.inactivity_timeout_ms, h.execution_timeout_ms,
        x.output, x.cause, x.message, x.code, x.details, x.progress, coalesce(x.success_count, 0) as success_count, coalesce(x.failure_count, 0) as failure_count, x.cancel_webhook
    ), kept as (
      insert into task_attempt as a (task_id, attempt, status, cause, worker, claim_time, start_time, end_time, message, code, details, output, progress, cancel_webhook)
      select id, attempt, case status when 6 then 6 when 4 then null else 7 end, cause, worker, claim_time, run_time, case when status <> 4 then now_time end,
        message, code, details, output, progress, cancel_webhook
      from u where status in (2, 7) or output is not null or progress is not null or cancel_webhook is not null
      on conflict (task_id, attempt) do update set status = excluded.status, cause = excluded.cause, worker = excluded.worker, claim_time = excluded.claim_time, start_time = excluded.start_time,
        end_time = excluded.end_time, message = excluded.message, code = excluded.code, details = excluded.details, output = excluded.output,
        progress = coalesce(excluded.progress, a.progress), cancel_webhook = coalesce(excluded.cancel_webhook, a.cancel_webhook)
    ), watched as (
      insert into timer (due, task_ids, attempts)
      select now_time + min(least(inactivity_timeout_ms, execution_timeout_ms)) * interval '1 millisecond', array_agg(id), array_agg(attempt)
      from u where status = 4 and prior_status = 3 having count(*) > 0
    )
    select array_agg(id) as ids, array_agg(status) as statuses, array_agg(attempt) as attempts,
      array_agg((case when status in (2, 7) or output is not null then 3 else 2 end)::smallint) filter (where prior_status <> 0) as types,
      array_agg(batch_id) filter (where prior_status <> 0) as batch_ids, array_agg(id) filter (where prior_status <> 0) as task_ids,
      array_agg(prior_status) filter (where prior_status <> 0) as from_statuses, array_agg(status) filter (where prior_status <> 0) as to_statuses,
      array_agg(attempt) filter (where prior_status <> 0) as event_attempts, array_agg(queue) filter (where prior_status <> 0) as queues,
      array_agg(coalesce(worker, 0)) filter (where prior_status <> 0) as workers,
      array_agg(id) filter (where status = 2) as again,
      array_agg(id) filter (where status > 5 and dependents > 0) as ended, array_agg(status) filter (where status > 5 and dependents > 0) as ended_statuses,
      array_agg(id) filter (where success_count > 0 or failure_count > 0) as counted,
      array_agg(success_count) filter (where success_count > 0 or failure_count > 0) as success_counts,
      array_agg(failure_count) filter (where success_count > 0 or failure_count > 0) as failure_counts, false as plain,
      null::bigint[] as held_lanes, null::bigint[] as held_amounts
    into moved from u;
  end if;

  o_taken := coalesce(moved.ids, '{}');
  o_statuses := moved.statuses;
  o_attempts := moved.attempts;
  o_ready := '{}';
  o_follow_ups := '{}';
  if moved.ids is null then return; end if;
  changes := row(moved.types, moved.batch_ids, moved.task_ids, moved.from_statuses, moved.to_statuses, moved.event_attempts, moved.queues, moved.workers, null, null);
  if moved.again is not null then
    o_ready := mp_enqueue(moved.again, now_time);
  end if;
  if moved.counted is not null then
    -- Of the other kind of reports: its arrays are whole.
    select array_agg(4::smallint) || changes.types, array_agg(h.batch_id) || changes.batch_ids, array_agg(h.id) || changes.task_ids,
      array_agg(h.status) || changes.from_statuses, array_agg(h.status) || changes.to_statuses, array_agg(h.attempt) || changes.attempts,
      array_agg(h.queue) || changes.queues, array_agg(coalesce(h.worker, 0)) || changes.workers, array_agg(h.success_count), array_agg(h.failure_count)
    into changes from unnest(moved.counted) x(id) join task_state h on h.id = any (array[x.id]);
  end if;
  if moved.ended is not null then
    -- PauseBatch closes this gate: a batch is held before this, and mp_settle sees it, or after this has committed. Not waited for: who holds tasks must not.
    if (p_slots).queues is not null and not pg_try_advisory_xact_lock_shared(7710, 3) then
      p_slots := null;
    end if;
    changes.types := mp_fill(changes.types, cardinality(changes.task_ids));
    changes.to_statuses := mp_fill(changes.to_statuses, cardinality(changes.task_ids));
    settled := mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes, p_slots, moved.plain);
    changes := settled.p_changes;
    o_started := settled.o_started;
    o_started_attempts := settled.o_started_attempts;
    o_places := settled.o_places;
    o_ready := o_ready || settled.o_ready;
  end if;
  if moved.counted is not null then
    -- The rows of all batches that this transaction changes, in their order, before some of them get counts.
    perform from batch_state b where b.batch_id = any (changes.batch_ids) order by b.batch_id for update;
    update batch_state b set success_count = b.success_count + d.s, failure_count = b.failure_count + d.f
    from (select h.batch_id, sum(x.s) s, sum(x.f) f from unnest(moved.counted, moved.success_counts, moved.failure_counts) x(id, s, f)
      join task_state h on h.id = any (array[x.id]) group by h.batch_id) d where b.batch_id = any (array[d.batch_id]);
  end if;
  if moved.plain then
    select coalesce(array_agg(x.lane), '{}'), coalesce(array_agg(x.holders), '{}'), coalesce(array_agg(x.amount), '{}') into moves.lanes, moves.holders, moves.amounts from (
      select x.lane, -count(*) as holders, -coalesce(sum(x.amount), 0) as amount from unnest(moved.held_lanes, moved.held_amounts) x(lane, amount) group by x.lane) x;
  end if;
  -- Some places are taken: which, would have to be told.
  if o_started <> '{}' then p_slots := null; end if;
  appended := mp_append_event(changes, '{}', null, '{}', false, moves, p_slots);
  if appended.o_started is not null then
    o_started := appended.o_started;
    o_started_attempts := appended.o_started_attempts;
    o_places := appended.o_places;
  end if;
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
end $$;
