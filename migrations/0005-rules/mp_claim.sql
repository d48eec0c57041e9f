-- Takes up to p_max tasks from the queues, highest priority first, then in order of creation. For workers (p_workers) they are RUNNING under leases of p_leases
-- milliseconds: the first that is taken has the first of these places, and so on; the last elements count for all that follow. Without workers they are CLAIMED, for the time in which
-- their start webhook is called.
-- Who changes a row of ready holds its task: a claim locks tasks, waits for none, and passes over those that somebody else holds. o_more says that there
-- may be something left: look again.
-- What rules do not let in is blocked on the way, and costs nothing until there is room for it.
-- Claims share a gate that PauseBatch and ResumeBatch close: a batch is held before a claim begins or after it has committed.
create function mp_claim(p_queues integer[], p_max integer, p_workers integer[], p_leases integer[],
  out o_ids bigint[], out o_attempts integer[], out o_places integer[], out o_more boolean)
language plpgsql as $$
declare
  now_time timestamptz;
  -- In the order of their places.
  taken bigint[];
  held bigint[];
  seen integer;
  -- How many rows of each of several queues are looked at.
  depth integer := p_max;
  heads integer;
  holds boolean;
  moved record;
  to_status smallint := case when p_workers is null then 3 else 4 end;
  n_workers integer := cardinality(p_workers);
  n_leases integer := cardinality(p_leases);
  limited boolean;
  admitted record;
  -- Lanes to be offered: of which tasks have been taken out of ready, though not to start, or the last of those that may.
  passed bigint[] := '{}';
  parked_lanes bigint[];
begin
  o_ids := '{}';
  o_attempts := '{}';
  o_places := '{}';
  if pg_advisory_xact_lock_shared(7710, 1) is null then return; end if;
  -- Taken is what this claim has removed from ready: a row that it sees may be gone, of a task that has been claimed and queued again meanwhile.
  loop
    if cardinality(p_queues) = 1 then
      with free as materialized (
        select r.ctid, r.id, r.lane from ready r join task_state h on h.id = any (array[r.id]) where r.queue = p_queues[1] and h.status = 2
        order by r.rank, r.id limit p_max for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(select ctid from free)) returning rank, id, lane
      )
      select array_agg(id order by rank, id), count(*), 0, exists (select from paused_batch), count(lane) > 0 into taken, seen, heads, holds, limited from gone;
    else
      -- Only what is taken is locked: the heads of all queues are more.
      with head as materialized (
        select r.queue, r.rank, r.id, r.lane from unnest(p_queues) q(queue) cross join lateral (
          select r.queue, r.rank, r.id, r.lane from ready r where r.queue = q.queue order by r.rank, r.id limit depth
        ) r order by r.rank, r.id
      ), free as materialized (
        select head.queue, head.rank, head.lane, h.id from head join task_state h on h.id = any (array[head.id]) where h.status = 2 limit p_max for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(
          select r.place from free cross join lateral (
            select q.ctid as place from ready q where q.queue = free.queue and q.rank = free.rank and q.id = free.id offset 0) r)) returning rank, id, lane
      )
      select array_agg(id order by rank, id), count(*), (select count(*) from head), exists (select from paused_batch), count(lane) > 0 into taken, seen, heads, holds, limited from gone;
    end if;
    -- A worker with one place takes the last task of a queue as often as not: who waits next must know that there is nothing left.
    o_more := seen = p_max and exists (
      select from unnest(p_queues) q(queue) cross join lateral (select from ready r where r.queue = q.queue limit 1) r);
    if taken is null then
      -- Others hold the heads: what is behind them may be free.
      exit when heads < depth or depth > 64 * p_max;
      depth := depth * 8;
      continue;
    end if;
    if holds then
      with parted as materialized (
        select h.id, x.place, h.batch_id, h.queue, h.priority, h.lane, p.batch_id is not null as is_held from unnest(taken) with ordinality x(id, place)
          join task_state h on h.id = any (array[x.id]) left join paused_batch p on p.batch_id = any (array[h.batch_id])
      ), kept as (
        insert into parked (batch_id, id, queue, rank, lane) select batch_id, id, queue, -priority, lane from parted where is_held on conflict do nothing
      )
      select array_agg(id order by place) filter (where not is_held), array_agg(id) filter (where is_held), array_agg(distinct lane) filter (where is_held and lane is not null)
      into taken, held, parked_lanes from parted;
      if held is not null then
        -- There is more of that batch where this was.
        passed := passed || parked_lanes || mp_park(p_queues, p_max);
        o_more := true;
      end if;
    end if;
    if taken is not null and limited then
      admitted := mp_admit(taken);
      taken := nullif(admitted.o_ids, '{}');
      now_time := admitted.o_time;
      passed := passed || admitted.o_lanes;
      o_more := o_more or cardinality(admitted.o_blocked) > 0;
      -- Batches and keys are locked now: nothing more is waited for.
      exit;
    end if;
    exit when taken is not null;
  end loop;
  if taken is null then
    perform mp_offer(array(select distinct lane from unnest(passed) x(lane)), '{}', clock_timestamp());
    return;
  end if;

  -- Later than the commit of whatever made them ready: the times of parents and children are in order.
  now_time := coalesce(now_time, clock_timestamp());
  with u as (
    update task_state h set status = to_status, prior_status = 2, attempt = h.attempt + 1, worker = p_workers[least(x.place, n_workers)],
      claim_time = now_time, run_time = case when to_status = 4 then now_time end, activity_time = now_time,
      lease_until = now_time + case when to_status = 4 then p_leases[least(x.place, n_leases)] else h.start_timeout_ms end * interval '1 millisecond'
    from unnest(taken) with ordinality x(id, place) where h.id = any (array[x.id]) and h.status = 2
    returning h.id, h.batch_id, h.attempt, h.queue, h.worker, x.place, h.lease_until, h.inactivity_timeout_ms, h.execution_timeout_ms
  )
  select array_agg(batch_id) as batch_ids, array_agg(id) as ids, array_agg(attempt) as attempts, array_agg(queue) as queues, array_agg(worker) as workers,
    array_agg(place::integer) as places, min(case when to_status = 4 then least(lease_until, now_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')
      else lease_until end) as due
  into moved from u;
  if moved.ids is null then return; end if;
  insert into timer (due, task_ids, attempts) values (moved.due, moved.ids, moved.attempts);
  if limited then
    insert into holder (task_id, lane, amount, hold_time)
    select h.id, h.lane, case when l.has_capacity then (select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t where t.id = any (array[h.id])) else 0 end, now_time
    from unnest(moved.ids) x(id) join task_state h on h.id = any (array[x.id]) join lane l on l.id = any (array[h.lane]);
  end if;
  o_ids := moved.ids;
  o_attempts := moved.attempts;
  o_places := moved.places;
  perform mp_append_event(row(array[2::smallint], moved.batch_ids, moved.ids, array[2::smallint], array[to_status], moved.attempts, moved.queues,
    case when to_status = 4 then moved.workers else array[0] end, null, null)::mp_changes);
  perform mp_offer(array(select distinct lane from unnest(passed) x(lane)), '{}', now_time);
end $$;
