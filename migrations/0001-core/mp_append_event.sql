-- Applies what a transaction changed to its batches and writes its event row. The last act of every transaction: the batch rows
-- come last in the lock order, and event_seq is drawn when no lock is left to take.
-- p_batches: batches to look at although no task of theirs changed (created, sealed); a batch that has nothing left to do ends.
create function mp_append_event(p mp_changes, p_batches bigint[] default '{}') returns void language plpgsql as $$
declare
  ended record;
begin
  with change as (
    select x.batch_id, x.type, x.f, x.t from unnest(p.batch_ids, p.types, p.from_statuses, p.to_statuses) x(batch_id, type, f, t)
    where x.type <= 3
    union all
    select b, 0::smallint, 0::smallint, 0::smallint from unnest(p_batches) b
  ), delta as (
    select batch_id,
      count(*) filter (where type = 1)::integer created,
      (count(*) filter (where t = 1) - count(*) filter (where f = 1))::integer waiting,
      (count(*) filter (where t = 2) - count(*) filter (where f = 2))::integer pending,
      (count(*) filter (where t = 3) - count(*) filter (where f = 3))::integer claimed,
      (count(*) filter (where t = 4) - count(*) filter (where f = 4))::integer running,
      (count(*) filter (where t = 5) - count(*) filter (where f = 5))::integer paused,
      (count(*) filter (where t = 6) - count(*) filter (where f = 6))::integer success,
      (count(*) filter (where t = 7) - count(*) filter (where f = 7))::integer failure,
      (count(*) filter (where t = 8) - count(*) filter (where f = 8))::integer canceled,
      (count(*) filter (where t = 9) - count(*) filter (where f = 9))::integer skipped
    from change group by batch_id order by batch_id
  ), applied as (
    update batch_state b set
      total = b.total + d.created,
      waiting = b.waiting + d.waiting,
      pending = b.pending + d.pending,
      claimed = b.claimed + d.claimed,
      running = b.running + d.running,
      paused = b.paused + d.paused,
      success = b.success + d.success,
      failure = b.failure + d.failure,
      canceled = b.canceled + d.canceled,
      skipped = b.skipped + d.skipped,
      prior_status = 0
    from delta d where b.batch_id = any (array[d.batch_id])
    returning b.batch_id, b.status, b.open, b.failure, b.canceled,
      b.waiting + b.pending + b.claimed + b.running + b.paused as unfinished
  )
  select array_agg(batch_id order by batch_id) ids,
    array_agg((case when failure > 0 then 4 when canceled > 0 then 5 else 3 end)::smallint order by batch_id) statuses
  into ended from applied where status in (1, 2) and not open and unfinished = 0;

  if ended.ids is not null then
    with e as (
      update batch_state b set status = x.status, prior_status = b.status, end_time = clock_timestamp()
      from unnest(ended.ids, ended.statuses) x(batch_id, status) where b.batch_id = any (array[x.batch_id])
      returning b.batch_id, b.prior_status, b.status
    )
    select p.types || array_agg(5::smallint), p.batch_ids || array_agg(e.batch_id), p.task_ids || array_agg(0::bigint),
      p.from_statuses || array_agg(e.prior_status), p.to_statuses || array_agg(e.status), p.attempts || array_agg(0),
      p.queues || array_agg(0), p.workers || array_agg(0), p.success_counts, p.failure_counts
    into p from e;
  end if;

  if cardinality(p.task_ids) > 0 then
    insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers,
      success_counts, failure_counts)
    values (nextval('event_seq'), clock_timestamp(), p.types, p.batch_ids, p.task_ids, p.from_statuses, p.to_statuses, p.attempts,
      p.queues, p.workers, p.success_counts, p.failure_counts);
  end if;
end $$;
