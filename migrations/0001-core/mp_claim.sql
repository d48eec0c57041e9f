-- Takes up to p_max tasks from the queues, highest priority first, then in order of creation. For a worker (p_worker) they are RUNNING
-- under a lease of p_lease_ms; without one they are CLAIMED, for the time in which their start webhook is called.
-- Rows that another claim holds are passed over; o_more says that there may be something left: look again.
create function mp_claim(p_queues integer[], p_max integer, p_worker integer, p_lease_ms integer, out o_ids bigint[], out o_attempts integer[], out o_more boolean)
language plpgsql as $$
declare
  now_time timestamptz;
  taken bigint[];
  seen integer;
  moved record;
begin
  with held as materialized (
    select r.ctid, r.rank, r.id from unnest(p_queues) q(queue) cross join lateral (
      select r.ctid, r.rank, r.id from ready r where r.queue = q.queue order by r.rank, r.id limit p_max for update skip locked
    ) r
  ), gone as (
    delete from ready where ctid = any (array(select ctid from held order by rank, id limit p_max)) returning id
  )
  select (select array_agg(id order by id) from gone), (select count(*) from held) into taken, seen;
  o_more := seen >= p_max;
  o_ids := '{}';
  o_attempts := '{}';
  if taken is null then return; end if;

  -- Later than the commit of whatever made them ready: the times of parents and children are in order.
  now_time := clock_timestamp();
  with u as (
    update task_state h set status = case when p_worker is null then 3 else 4 end, prior_status = h.status, attempt = h.attempt + 1, worker = p_worker,
      claim_time = now_time, run_time = case when p_worker is not null then now_time end, activity_time = now_time,
      lease_until = now_time + case when p_worker is null then h.start_timeout_ms else p_lease_ms end * interval '1 millisecond'
    where h.id = any (taken) and h.status = 2
    returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.lease_until, h.inactivity_timeout_ms
  ), watched as (
    insert into timer (due, task_ids, attempts)
    select min(case when p_worker is null then lease_until else least(lease_until, now_time + inactivity_timeout_ms * interval '1 millisecond') end),
      array_agg(id), array_agg(attempt) from u having count(*) > 0
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(2::smallint) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(coalesce(p_worker, 0)) workers into moved from u;
  if moved.ids is null then return; end if;
  o_ids := moved.ids;
  o_attempts := moved.attempts;
  perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
end $$;
