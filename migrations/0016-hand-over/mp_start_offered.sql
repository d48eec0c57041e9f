-- Starts, on places that a transaction brings along (as mp_settle does), what it has just put into ready: what a claim would take next from the queues of these places, in that order, up to the first
-- task that is not of this transaction, or that a rule does not let in. Under rules of concurrency alone, whose keys the transaction has locked (p_keys); not while a batch
-- is held, nor from queues whose tasks take turns.
-- Comes after all that waits for locks, and waits for none: what somebody else holds is left to the claims. So nothing is started if any of it is held, or its batch.
-- Answers what has started, in the order of its places.
create function mp_start_offered(p_ids bigint[], p_keys bigint[], p_slots mp_slots, out o_ids bigint[], out o_batch_ids bigint[], out o_attempts integer[], out o_queues integer[], out o_workers integer[],
  out o_places integer[]) language plpgsql as $$
declare
  now_time timestamptz;
  next_up record;
  locked bigint[];
  batches bigint[];
  n_workers integer := cardinality(p_slots.workers);
  n_leases integer := cardinality(p_slots.leases);
  moved record;
begin
  -- PauseBatch closes this gate, as for mp_settle.
  if not pg_try_advisory_xact_lock_shared(7710, 3) then return; end if;
  if exists (select from paused_batch) or exists (select from fair_queue f where f.queue = any (p_slots.queues)) then return; end if;
  with head as materialized (
    select s.pool, r.queue, r.rank, r.flow, r.id, r.lane, s.first, s.count, row_number() over (partition by s.pool order by r.rank, r.id) as n
    from unnest(p_slots.queues, p_slots.pools, p_slots.firsts, p_slots.counts) s(queue, pool, first, count)
      cross join lateral (select r.queue, r.rank, r.flow, r.id, r.lane from ready r where r.queue = s.queue order by r.rank, r.flow, r.id limit s.count) r
  ), ours as materialized (
    select h.*, (h.id in (select unnest(p_ids))) is true as is_ours from head h where h.n <= h.count
  ), run as materialized (
    -- "is_ours and" of all before it, in its pool.
    select * from (select o.*, bool_and(o.is_ours) over (partition by o.pool order by o.n) as goes from ours o) o where o.goes
  ), share as materialized (
    select r.pool, r.n, l.has_capacity or 3 = any (l.types) or not l.keys <@ p_keys as is_other, k.key, k.bound, count(*) over (partition by k.key order by r.pool, r.n) as taken
    from run r join lane l on l.id = any (array[r.lane]) cross join lateral unnest(l.keys, l.bounds) k(key, bound)
  ), stop as materialized (
    select s.pool, min(s.n) as n from share s join rule_usage u on u.key_id = any (array[s.key]) where s.is_other or u.in_use + s.taken > s.bound group by s.pool
  )
  select array_agg(r.id order by r.first + r.n) as ids, array_agg(r.queue order by r.first + r.n) as queues, array_agg(r.rank order by r.first + r.n) as ranks, array_agg(r.flow order by r.first + r.n) as flows,
    array_agg(r.lane order by r.first + r.n) as lanes, array_agg((r.first + r.n - 1)::integer order by r.first + r.n) as places
  into next_up from run r where r.lane is not null and not exists (select from stop where stop.pool = r.pool and stop.n <= r.n);
  if next_up.ids is null then return; end if;

  select array_agg(x.id), array_agg(distinct x.batch_id) into locked, batches from (
    select h.id, h.batch_id from unnest(next_up.ids, next_up.lanes) t(id, lane) join task_state h on h.id = any (array[t.id])
    where h.status = 2 and h.execution = 1 and h.lane = t.lane for update of h skip locked) x;
  if cardinality(locked) is distinct from cardinality(next_up.ids) then return; end if;
  if cardinality(batches) <> (select count(*) from (select from batch_state b where b.batch_id = any (batches) for update skip locked) b) then return; end if;
  with gone as (
    delete from ready where ctid = any (array(
      select r.place from unnest(next_up.queues, next_up.ranks, next_up.flows, next_up.ids) t(queue, rank, flow, id) cross join lateral (
        select q.ctid as place from ready q where q.queue = t.queue and q.rank = t.rank and q.flow = t.flow and q.id = t.id offset 0) r)) returning id
  )
  select array_agg(id) into locked from gone;

  now_time := clock_timestamp();
  with u as (
    update task_state h set status = 4, prior_status = 2, attempt = h.attempt + 1, worker = p_slots.workers[least(x.place, n_workers)], claim_time = now_time, run_time = now_time,
      activity_time = now_time, lease_until = now_time + p_slots.leases[least(x.place, n_leases)] * interval '1 millisecond', held_lane = h.lane, held_amount = null
    from unnest(next_up.ids, next_up.places) x(id, place) where h.id = any (array[x.id]) and h.id = any (locked)
    returning h.id, h.batch_id, h.attempt, h.queue, h.worker, h.lane, x.place, h.lease_until, h.inactivity_timeout_ms, h.execution_timeout_ms
  )
  select array_agg(id order by place) as ids, array_agg(batch_id order by place) as batch_ids, array_agg(attempt order by place) as attempts, array_agg(queue order by place) as queues,
    array_agg(worker order by place) as workers, array_agg(lane order by place) as lanes, array_agg(place order by place) as places,
    min(least(lease_until, now_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) as due
  into moved from u;
  if moved.ids is null then return; end if;
  insert into timer (due, task_ids, attempts) values (moved.due, moved.ids, moved.attempts);
  with group_of as materialized (
    select x.lane, array_agg(x.id) as ids from unnest(moved.ids, moved.lanes) x(id, lane) group by x.lane
  ), kept as (
    insert into hold (lane, hold_time, task_ids, due) select lane, now_time, ids, now_time + interval '5 seconds' from group_of
  ), share as materialized (
    select k.key, sum(cardinality(g.ids)) as n from group_of g join lane l on l.id = any (array[g.lane]) cross join lateral unnest(l.keys) k(key) group by k.key
  )
  update rule_usage u set in_use = u.in_use + s.n from share s where u.key_id = any (array[s.key]);
  update batch_state b set pending = b.pending - x.n, running = b.running + x.n, prior_status = 0
  from (select batch_id, count(*)::integer as n from unnest(moved.batch_ids) m(batch_id) group by batch_id) x where b.batch_id = any (array[x.batch_id]);
  o_ids := moved.ids;
  o_batch_ids := moved.batch_ids;
  o_attempts := moved.attempts;
  o_queues := moved.queues;
  o_workers := moved.workers;
  o_places := moved.places;
end $$;
