-- Looks at up to p_tasks tasks of up to p_rows timers that are due: lets delayed ones start, takes back attempts whose lease or start timeout ran out
-- (PENDING at once, three times; then they have failed), fails attempts that were inactive or ran for too long, ends what took too long in all, and
-- puts off what is not due yet. What a policy repeats is PENDING again, with a start time in the future.
-- A timer of attempt -1 is for the whole of a task. Several servers may do so at once: timers that another one holds are passed over, and it looks
-- at them. o_next: when the next timer, or alarm of a rule (mp_fire_alarms), is due.
create or replace function mp_fire_timers(p_rows integer, p_tasks integer, out o_rows integer, out o_more boolean, out o_ready integer[], out o_follow_ups bigint[], out o_next timestamptz) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  ids bigint[];
  attempts integer[];
  wholes boolean[];
  heads bigint;
  entries bigint;
  moved record;
  settled record;
  changes mp_changes;
  appended record;
begin
  o_ready := '{}';
  o_follow_ups := '{}';
  -- As many rows as it takes to have p_tasks; the rest of the last one, if it is larger, becomes rows of that size.
  with head as materialized (
    select t.ctid as place, t.due, t.id, cardinality(t.task_ids) as tasks from timer t where t.due <= now_time order by t.due, t.id limit p_rows
  ), due as materialized (
    select place from (select place, tasks, sum(tasks) over (order by due, id) as total from head) running where total - tasks < p_tasks
  ), gone as (
    delete from timer t where t.ctid = any (array(
      select l.ctid from timer l where l.ctid = any (array(select place from due)) for update skip locked)) returning t.due, t.task_ids, t.attempts
  ), entry as materialized (
    select gone.due, x.id, x.attempt, row_number() over (order by gone.due, x.id) n from gone, unnest(gone.task_ids, gone.attempts) x(id, attempt)
  ), later as (
    insert into timer (due, task_ids, attempts) select min(due), array_agg(id), array_agg(attempt) from entry where n > p_tasks group by (n - 1) / p_tasks
  ), task as (
    select id, max(attempt) attempt, bool_or(attempt = -1) whole from entry where n <= p_tasks group by id
  )
  select array_agg(id order by id), array_agg(attempt order by id), array_agg(whole order by id), (select count(*) from gone), (select count(*) from head), (select max(n) from entry)
  into ids, attempts, wholes, o_rows, heads, entries from task;
  o_more := o_rows > 0 and (heads > o_rows or heads = p_rows or entries > p_tasks);
  -- Not min(): a plan that was made while the table was empty may walk the whole index for it.
  select least((select t.due from timer t order by t.due limit 1), (select a.due from rule_alarm a order by a.due limit 1)) into o_next;
  if ids is null then return; end if;

  with live as (
    select h.id, x.attempt = h.attempt as current, x.whole, h.attempt, h.execution, h.status, h.lease_until, h.requeued, h.released, h.retry_policy, h.worker, h.claim_time, h.run_time,
      h.start_timeout_ms, h.inactivity_timeout_ms, h.execution_timeout_ms, h.total_timeout_ms, h.total_deadline, h.run_time + h.execution_timeout_ms * interval '1 millisecond' as overrun_at,
      case h.status when 4 then least(h.lease_until, h.activity_time + h.inactivity_timeout_ms * interval '1 millisecond', h.run_time + h.execution_timeout_ms * interval '1 millisecond')
        when 3 then h.lease_until when 2 then h.start_time end as due
    from unnest(ids, attempts, wholes) x(id, attempt, whole) join task_state h on h.id = any (array[x.id])
    where h.status < 6 and (x.attempt = h.attempt or (x.whole and h.total_deadline is not null))
    order by h.status in (1, 5), h.id for update of h
  ), put_off as (
    insert into timer (due, task_ids, attempts)
    select date_bin('250 milliseconds', due, 'epoch') + interval '250 milliseconds', array_agg(id), array_agg(attempt)
    from live where current and due > now_time group by 1
    union all
    select total_deadline, array_agg(id), array_agg(-1) from live where whole and total_deadline > now_time group by 1
  ), cause as materialized (
    select live.*, (case when total_deadline <= now_time then 6 when status = 2 then null when lease_until <= now_time then case when status = 3 then 3 else 8 end
      when overrun_at <= now_time then 5 else 4 end)::smallint as cause
    from live where (current and due <= now_time) or total_deadline <= now_time
  ), verdict as materialized (
    select c.*, c.cause in (3, 8) and c.requeued < 3 as requeue,
      c.cause is not null and not (c.cause in (3, 8) and c.requeued < 3) and c.retry_policy is not null
        and mp_may_retry(c.retry_policy, c.attempt - c.released - c.requeued, c.cause, null, false) as again from cause c
  ), u as (
    update task_state h set
      status = case when v.cause is null then case when v.execution = 3 then 6 else 2 end when v.requeue or v.again then 2 else 7 end,
      prior_status = case when v.cause is not null or v.execution = 3 then h.status else 0 end,
      requeued = h.requeued + case when v.requeue then 1 else 0 end,
      start_time = case when v.again then now_time + mp_retry_delay(v.retry_policy, v.attempt - v.released - v.requeued, null) * interval '1 millisecond' else h.start_time end,
      lease_until = null,
      end_time = case when (v.cause is null and v.execution = 3) or (v.cause is not null and not v.requeue and not v.again) then now_time end
    from verdict v where h.id = any (array[v.id])
    returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.dependents, h.start_time, h.edits, h.lane, h.flow, v.worker, v.claim_time, v.run_time, v.cause, v.start_timeout_ms, v.inactivity_timeout_ms, v.execution_timeout_ms, v.total_timeout_ms
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, -priority, coalesce(flow, 0), id, lane from u where status = 2 and cause is not null and coalesce(start_time <= now_time, true)
    on conflict do nothing
  ), delayed as (
    insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(attempt) from u where status = 2 and start_time > now_time group by start_time
  ), kept as (
    insert into task_attempt (task_id, attempt, status, cause, worker, claim_time, start_time, end_time, message)
    select id, case when prior_status in (3, 4) then attempt else -edits end, 7, cause, case when prior_status in (3, 4) then worker end,
      case when prior_status in (3, 4) then claim_time end, case when prior_status in (3, 4) then run_time end, now_time,
      case cause when 3 then format('the start webhook was not answered within the start_timeout of %s', mp_duration(start_timeout_ms)) when 8 then 'the lease ran out'
        when 5 then format('it ran longer than the execution_timeout of %s', mp_duration(execution_timeout_ms))
        when 6 then format('it had not ended within the total_timeout of %s', mp_duration(total_timeout_ms))
        else format('it gave no sign of life for the inactivity_timeout of %s', mp_duration(inactivity_timeout_ms)) end
    from u where cause is not null
    on conflict (task_id, attempt) do update set status = 7, cause = excluded.cause, worker = excluded.worker, claim_time = excluded.claim_time, start_time = excluded.start_time, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg((case when cause is null then 2 when prior_status in (3, 4) then 3 else 7 end)::smallint order by id) filter (where prior_status <> 0) types,
    array_agg(batch_id order by id) filter (where prior_status <> 0) batch_ids, array_agg(id order by id) filter (where prior_status <> 0) ids,
    array_agg(prior_status order by id) filter (where prior_status <> 0) from_statuses, array_agg(status order by id) filter (where prior_status <> 0) to_statuses,
    array_agg(attempt order by id) filter (where prior_status <> 0) attempts, array_agg(queue order by id) filter (where prior_status <> 0) queues,
    array_agg(case when prior_status in (3, 4) then coalesce(worker, 0) when cause is not null then edits else 0 end order by id) filter (where prior_status <> 0) workers,
    coalesce(array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= now_time, true)), '{}') ready,
    array_agg(id order by id) filter (where status > 5 and dependents > 0) ended, array_agg(status order by id) filter (where status > 5 and dependents > 0) ended_statuses,
    array_agg(id) filter (where prior_status = 2 and status = 7) over_in_queue, array_agg(id order by id) filter (where status = 2 and cause is null) let_start
  into moved from u;
  o_ready := moved.ready;
  if moved.let_start is not null then
    -- A new statement, as the tasks are locked: what another timer has let start may have been blocked or parked since then.
    insert into ready (queue, rank, flow, id, lane)
    select h.queue, -h.priority, coalesce(h.flow, 0), h.id, h.lane from unnest(moved.let_start) x(id) join task_state h on h.id = any (array[x.id])
    where not exists (select from blocked b where b.lane = h.lane and b.rank = -h.priority and b.id = h.id offset 0)
      and not exists (select from parked k where k.batch_id = h.batch_id and k.id = h.id offset 0) on conflict do nothing;
  end if;
  if moved.ids is null then
    if moved.let_start is not null then
      perform mp_apply_rules(null, now_time, moved.let_start);
    end if;
    return;
  end if;
  changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
  if moved.ended is not null then
    settled := mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes);
    changes := settled.p_changes;
    o_ready := o_ready || settled.o_ready;
  end if;
  -- When all tasks are locked: it may wait for a claim, which waits for nobody.
  perform mp_dequeue(moved.over_in_queue);
  appended := mp_append_event(changes, '{}', null, coalesce(moved.let_start, '{}'));
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
end $$;
