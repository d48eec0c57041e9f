-- Looks at the tasks of up to p_rows timers that are due: lets delayed ones start, takes back attempts whose lease or start timeout ran out
-- (PENDING again, bounded by max_attempts plus 3 requeues), fails those that were inactive for too long, puts off what is not due yet.
-- Several servers may do so at once: timers that another one holds are passed over, and it looks at them.
create function mp_fire_timers(p_rows integer, out o_rows integer, out o_ready integer[]) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  ids bigint[];
  attempts integer[];
  moved record;
  settled record;
  changes mp_changes;
begin
  o_ready := '{}';
  with due as (
    select t.ctid from timer t where t.due <= now_time order by t.due, t.id limit p_rows for update skip locked
  ), gone as (
    delete from timer t where t.ctid = any (array(select ctid from due)) returning t.task_ids, t.attempts
  ), task as (
    select distinct x.id, x.attempt from gone, unnest(gone.task_ids, gone.attempts) x(id, attempt)
  )
  select array_agg(id order by id, attempt), array_agg(attempt order by id, attempt), (select count(*) from gone) into ids, attempts, o_rows from task;
  if ids is null then return; end if;

  with live as (
    select h.id, h.attempt, h.execution, h.status, h.lease_until, h.max_attempts + h.released as max_attempts, h.start_time, h.worker, h.run_time,
      case when h.status = 4 then least(h.lease_until, h.activity_time + h.inactivity_timeout_ms * interval '1 millisecond') when h.status = 3 then h.lease_until else h.start_time end as due
    from unnest(ids, attempts) x(id, attempt) join task_state h on h.id = any (array[x.id]) where h.attempt = x.attempt and (h.status in (3, 4) or (h.status = 2 and h.start_time is not null))
    order by x.id for update of h
  ), put_off as (
    insert into timer (due, task_ids, attempts) select date_trunc('second', min(due)) + interval '1 second', array_agg(id), array_agg(attempt)
    from live where due > now_time group by date_trunc('second', due)
  ), verdict as materialized (
    select id, worker, run_time,
      (case when status = 2 then case when execution = 3 then 6 else 2 end
        when lease_until <= now_time and attempt < max_attempts + 3 then 2
        else 7 end)::smallint as status,
      case when status = 2 then null when lease_until <= now_time then case when status = 3 then 3 else 8 end else 4 end as cause
    from live where due <= now_time
  ), u as (
    update task_state h set status = v.status, prior_status = case when v.status <> h.status then h.status else 0 end, lease_until = null,
      end_time = case when v.status in (6, 7) then now_time end,
      worker = case when v.status = 7 then h.worker end, claim_time = case when v.status = 7 then h.claim_time end, run_time = case when v.status = 7 then h.run_time end,
      activity_time = case when v.status = 7 then h.activity_time end
    from verdict v where h.id = any (array[v.id])
    returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.dependents, v.worker, v.run_time, v.cause
  ), queued as (
    insert into ready (queue, rank, id) select queue, -priority, id from u where status = 2 on conflict do nothing
  ), kept as (
    insert into task_attempt (task_id, attempt, status, cause, worker, start_time, end_time, message)
    select id, attempt, 7, cause, worker, run_time, now_time,
      case cause when 3 then 'the start webhook was not answered within start_timeout' when 8 then 'the lease ran out' else 'no sign of life for inactivity_timeout' end
    from u where cause is not null
    on conflict (task_id, attempt) do update set status = 7, cause = excluded.cause, worker = excluded.worker, start_time = excluded.start_time, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg((case when cause is not null then 3 else 2 end)::smallint order by id) filter (where prior_status <> 0) types,
    array_agg(batch_id order by id) filter (where prior_status <> 0) batch_ids, array_agg(id order by id) filter (where prior_status <> 0) ids,
    array_agg(prior_status order by id) filter (where prior_status <> 0) from_statuses, array_agg(status order by id) filter (where prior_status <> 0) to_statuses,
    array_agg(attempt order by id) filter (where prior_status <> 0) attempts, array_agg(queue order by id) filter (where prior_status <> 0) queues,
    array_agg(coalesce(worker, 0) order by id) filter (where prior_status <> 0) workers, coalesce(array_agg(distinct queue) filter (where status = 2), '{}') ready,
    array_agg(id order by id) filter (where status > 5 and dependents > 0) ended, array_agg(status order by id) filter (where status > 5 and dependents > 0) ended_statuses
  into moved from u;
  o_ready := moved.ready;
  if moved.ids is null then return; end if;
  changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
  if moved.ended is not null then
    select * into settled from mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes);
    changes := settled.p_changes;
    o_ready := o_ready || settled.o_ready;
  end if;
  perform mp_append_event(changes);
end $$;
