-- Puts back into ready what is blocked and would be let in now: of each lane as many tasks as there is room for, less those that are in ready already, the most
-- urgent first. p_new: tasks that this transaction has put into ready, and holds; of these, what there is no room for is blocked.
-- p_keys: of which something has been freed, or lost by what was offered: some of their lanes are offered, too (mp_choose_lanes).
-- Of no lane more than offered_max are in ready by this, however much room there is: so what it looks at is bounded. The claim that takes the last of them has
-- more offered (mp_drained_lanes).
-- A claim decides: what is offered to several lanes of one key may still be refused there.
-- Whoever makes room in a key, or takes a task of a lane out of ready, calls this, after locking the keys that it changes: who locks the lane later
-- sees what the other one has done. Rows of blocked that somebody holds are passed over: they are being taken away.
-- p_full: lanes that wait for the windows of their full rates. Alarms may be of keys that the caller has not locked, and are waited for: they are set when no lock is left to take, and once.
-- The last that waits for locks. Tells the servers of the queues; p_quietly: the caller does (mp_tell_queues).
-- Answers what it has put into ready, and the queue of each; o_whole: of no lane less than there is room for.
create function mp_offer(p_lanes bigint[], p_new bigint[], p_time timestamptz, p_keys bigint[] default '{}', p_full bigint[] default '{}', p_quietly boolean default false,
  out o_ids bigint[], out o_queues integer[], out o_whole boolean) language plpgsql as $$
declare
  chosen record;
  lanes bigint[];
  -- Of each, how many at most; null: as many as there is room for.
  mosts integer[];
  offered_max constant integer := 1000;
begin
  chosen := mp_choose_lanes(p_keys, p_time);
  select coalesce(array_agg(x.id), '{}'), array_agg(x.most) into lanes, mosts from (
    select y.id, case when count(y.most) = count(*) then max(y.most) end as most from (
      select p.id, null::integer as most from unnest(p_lanes) p(id) union all select c.id, c.most from unnest(chosen.o_lanes, chosen.o_most) c(id, most)) y group by y.id) x;
  if cardinality(lanes) = 0 then
    perform mp_set_alarms(p_full || chosen.o_waiting, p_time);
    return;
  end if;
  perform from lane where id = any (lanes) order by id for no key update;
  if exists (select from paused_batch) then
    perform mp_set_aside(lanes);
  end if;
  -- A new statement: it sees what was committed before the lanes were locked.
  with room as materialized (
    select l.id, l.queue, l.flow, l.has_capacity, x.most,
      -- Of keys of capacity, the sizes of tasks decide.
      greatest(least((select min(k.bound - mp_taken(k.key, k.window_ms, u.in_use, p_time)) from unnest(l.keys, l.types, l.bounds, l.windows) k(key, type, bound, window_ms)
        join rule_usage u on u.key_id = any (array[k.key]) where k.type <> 2), offered_max), 0) as places,
      (select min(k.bound - u.in_use) from unnest(l.keys, l.types, l.bounds) k(key, type, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.type = 2) as work
    from unnest(lanes, mosts) x(id, most) join lane l on l.id = any (array[x.id])
  ), offered as materialized (
    select room.id, room.queue, room.flow, room.has_capacity, least(room.places - o.n, room.most) as places, room.work - o.work as work, o.ids
    from room cross join lateral (
      select count(*) as n, coalesce(sum(work_left), 0) as work, array_agg(r.id) filter (where room.work is null or r.before < room.work) as ids from (
        select r.id, r.work_left, coalesce(sum(r.work_left) over (order by r.rank, r.id rows between unbounded preceding and 1 preceding), 0) as before from (
          select r.id, r.rank, case when room.has_capacity then (
            select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[r.id])) end as work_left
          from ready r where r.lane = room.id order by r.rank, r.id limit room.places
        ) r
      ) r
    ) o
  ), too_many as materialized (
    select h.queue, -h.priority as rank, coalesce(h.flow, 0) as flow, h.id from unnest(p_new) x(id) join task_state h on h.id = any (array[x.id])
    where h.lane is not null and h.id not in (select unnest(offered.ids) from offered)
  ), gone as (
    delete from ready where ctid = any (array(
      select r.place from too_many m cross join lateral (
        select q.ctid as place from ready q where q.queue = m.queue and q.rank = m.rank and q.flow = m.flow and q.id = m.id offset 0) r)) returning lane, rank, id
  ), kept as (
    insert into blocked (lane, rank, id, batch_id, block_time)
    select gone.lane, gone.rank, gone.id, h.batch_id, p_time from gone join task_state h on h.id = any (array[gone.id]) on conflict do nothing
  ), free as materialized (
    select id, queue, flow, has_capacity, places, work from offered where places > 0 and coalesce(work > 0, true)
  ), candidate as materialized (
    select free.id as lane, free.queue, free.flow, free.work, b.place, b.rank, b.id, case when free.has_capacity then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[b.id])) end as work_left
    from free cross join lateral (
      select q.ctid as place, q.rank, q.id from blocked q where q.lane = free.id order by q.rank, q.id limit free.places for update skip locked
    ) b
  ), picked as materialized (
    select * from (
      select c.*, coalesce(sum(c.work_left) over (partition by c.lane order by c.rank, c.id rows between unbounded preceding and 1 preceding), 0) as before from candidate c
    ) c where c.work is null or c.before < c.work
  ), freed as (
    delete from blocked where ctid = any (array(select place from picked))
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, rank, flow, id, lane from picked on conflict do nothing
  )
  select (select array_agg(id) from picked), (select array_agg(queue) from picked), not bool_or(room.most is not null or room.places = offered_max)
  into o_ids, o_queues, o_whole from room;
  perform mp_set_alarms(lanes || chosen.o_waiting || p_full, p_time);
  if not p_quietly then
    perform mp_tell_queues(o_queues);
  end if;
end $$;
