-- Starts, on places that a transaction brings along (as mp_settle does), what a claim would take next from the queues of these places, in that order, when the transaction has put something there: at most so
-- many (p_most) for each pool. Up to the first task that somebody else holds, or whose batch; that is under rules other than concurrency, or has no room; or of a lane that would have to be offered more (mp_drained_lanes):
-- this and what follows is left to the claims. Nothing while a batch is held, nor from queues whose tasks take turns.
-- p_keys: locked by the transaction. p_lanes: those that it has offered as much of as there is room for.
-- Comes after all that waits for locks, and waits for none. Answers what has started, in the order of its places; o_passed: queues of tasks that it held and left, which claims may have passed over meanwhile.
create or replace function mp_start_ready(p_most integer, p_keys bigint[], p_lanes bigint[], p_slots mp_slots,
  out o_ids bigint[], out o_batch_ids bigint[], out o_attempts integer[], out o_queues integer[], out o_workers integer[], out o_places integer[], out o_passed integer[]) language plpgsql as $$
declare
  now_time timestamptz;
  -- What is next, and of that, what this transaction holds; both by pool and place.
  head record;
  held record;
  locked_keys bigint[];
  batches bigint[];
  next_up record;
  gone bigint[];
  n_workers integer := cardinality(p_slots.workers);
  n_leases integer := cardinality(p_slots.leases);
  moved record;
begin
  -- PauseBatch closes this gate, as for mp_settle.
  if not pg_try_advisory_xact_lock_shared(7710, 3) then return; end if;
  if exists (select from paused_batch) or exists (select from fair_queue f where f.queue = any (p_slots.queues)) then return; end if;
  perform mp_tell_queues(mp_open_runs(p_slots.queues, p_most));
  select array_agg(x.id order by x.pool, x.n) as ids, array_agg(x.queue order by x.pool, x.n) as queues, array_agg(x.rank order by x.pool, x.n) as ranks, array_agg(x.flow order by x.pool, x.n) as flows,
    array_agg(x.pool order by x.pool, x.n) as pools, array_agg(x.first + x.n - 1 order by x.pool, x.n) as places
  into head from (
    select s.pool, s.first, s.count, r.queue, r.rank, r.flow, r.id, (row_number() over (partition by s.pool order by r.rank, r.id))::integer as n
    from unnest(p_slots.queues, p_slots.pools, p_slots.firsts, p_slots.counts) s(queue, pool, first, count)
      cross join lateral (select r.queue, r.rank, r.flow, r.id from ready r where r.queue = s.queue order by r.rank, r.flow, r.id limit least(s.count, p_most)) r
  ) x where x.n <= least(x.count, p_most);
  if head.ids is null then return; end if;
  select array_agg(x.id order by x.place) as ids, array_agg(x.queue order by x.place) as queues, array_agg(x.rank order by x.place) as ranks, array_agg(x.flow order by x.place) as flows,
    array_agg(x.pool order by x.place) as pools, array_agg(x.place order by x.place) as places, array_agg(x.lane order by x.place) as lanes, array_agg(x.batch_id order by x.place) as batch_ids
  into held from (
    select t.*, h.lane, h.batch_id, bool_and(h.batch_id is not null) over (partition by t.pool order by t.place) as goes
    from unnest(head.ids, head.queues, head.ranks, head.flows, head.pools, head.places) t(id, queue, rank, flow, pool, place)
      left join lateral (select q.lane, q.batch_id from task_state q where q.id = t.id and q.status = 2 for update skip locked) h on true
  ) x where x.goes;
  if held.ids is null then return; end if;
  o_passed := held.queues;
  locked_keys := array(select distinct k.key from (select distinct x.lane from unnest(held.lanes) x(lane)) x join lane l on l.id = any (array[x.lane]) cross join lateral unnest(l.keys) k(key));
  locked_keys := coalesce(p_keys, '{}') || array(select u.key_id from rule_usage u where u.key_id = any (locked_keys) and (u.key_id in (select unnest(p_keys))) is not true for update skip locked);
  batches := array(select b.batch_id from batch_state b where b.batch_id = any (held.batch_ids) for update skip locked);
  with task as materialized (
    select t.*, (t.batch_id in (select unnest(batches))) is true as has_batch
    from unnest(held.ids, held.queues, held.ranks, held.flows, held.pools, held.places, held.lanes, held.batch_ids) t(id, queue, rank, flow, pool, place, lane, batch_id)
  ), share as materialized (
    select t.pool, t.place, k.key, k.bound, count(*) over (partition by k.key order by t.place) as taken,
      l.has_capacity or 3 = any (l.types) or not l.keys <@ locked_keys or not ((l.id in (select unnest(p_lanes))) is true or not exists (select from blocked b where b.lane = l.id offset 0)) as is_other
    from task t join lane l on l.id = any (array[t.lane]) cross join lateral unnest(l.keys, l.bounds) k(key, bound)
  ), stop as materialized (
    select x.pool, min(x.place) as place from (
      select t.pool, t.place from task t where not t.has_batch
      union all
      select s.pool, s.place from share s join rule_usage u on u.key_id = any (array[s.key]) where s.is_other or u.in_use + s.taken > s.bound
    ) x group by x.pool
  )
  select array_agg(t.id order by t.place) as ids, array_agg(t.queue order by t.place) as queues, array_agg(t.rank order by t.place) as ranks, array_agg(t.flow order by t.place) as flows,
    array_agg(t.place order by t.place) as places
  into next_up from task t where not exists (select from stop where stop.pool = t.pool and stop.place <= t.place);
  if next_up.ids is null then return; end if;
  with taken as (
    delete from ready where ctid = any (array(
      select r.place from unnest(next_up.queues, next_up.ranks, next_up.flows, next_up.ids) t(queue, rank, flow, id) cross join lateral (
        select q.ctid as place from ready q where q.queue = t.queue and q.rank = t.rank and q.flow = t.flow and q.id = t.id offset 0) r)) returning id
  )
  select array_agg(id) into gone from taken;

  now_time := clock_timestamp();
  with u as (
    update task_state h set status = 4, prior_status = 2, attempt = h.attempt + 1, worker = p_slots.workers[least(x.place, n_workers)], claim_time = now_time, run_time = now_time,
      activity_time = now_time, lease_until = now_time + p_slots.leases[least(x.place, n_leases)] * interval '1 millisecond', held_lane = h.lane, held_amount = null
    from unnest(next_up.ids, next_up.places) x(id, place) where h.id = any (array[x.id]) and (x.id in (select unnest(gone))) is true
    returning h.id, h.batch_id, h.attempt, h.queue, h.worker, h.lane, x.place, h.lease_until, h.inactivity_timeout_ms, h.execution_timeout_ms
  )
  select array_agg(id order by place) as ids, array_agg(batch_id order by place) as batch_ids, array_agg(attempt order by place) as attempts, array_agg(queue order by place) as queues,
    array_agg(worker order by place) as workers, array_agg(lane order by place) as lanes, array_agg(place order by place) as places,
    min(least(lease_until, now_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) as due
  into moved from u;
  if moved.ids is null then return; end if;
  insert into timer (due, task_ids, attempts) values (moved.due, moved.ids, moved.attempts);
  with group_of as materialized (
    select x.lane, array_agg(x.id) as ids from unnest(moved.ids, moved.lanes) x(id, lane) where x.lane is not null group by x.lane
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
  o_passed := array(select x.queue from unnest(held.ids, held.queues) x(id, queue) where (x.id in (select unnest(moved.ids))) is not true);
end $$;
