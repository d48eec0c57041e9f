-- Puts back into ready what is blocked and would be let in now: of each lane as many tasks as there is room for, less those that are in ready already, the most
-- urgent first. p_new: tasks that this transaction has put into ready, and holds; they stand back behind what is blocked and more urgent, and what there is no room for is blocked.
-- p_keys: of which something has been freed, or lost by what was offered: some of their lanes are offered, too (mp_choose_lanes).
-- Of no lane more than offered_max are in ready by this, however much room there is: so what it looks at is bounded. The claim that takes the last of them has
-- more offered (mp_drained_lanes).
-- A claim decides: what is offered to several lanes of one key may still be refused there.
-- Whoever makes room in a key, or takes a task of a lane out of ready, calls this, after locking the keys that it changes: who locks the lane later
-- sees what the other one has done. Rows of blocked that somebody holds are passed over: they are being taken away.
-- p_full: lanes that wait for the windows of their full rates. Alarms may be of keys that the caller has not locked, and are waited for: they are set when no lock is left to take, and once.
-- The last that waits for locks. Tells the servers of the queues; p_quietly: the caller does (mp_tell_queues).
-- How long what goes back has been blocked is kept for the metrics (blocked_wait).
-- Answers what it has put into ready, and the queue of each; the lanes that it has looked at; o_whole: of none of these is less in ready than there is room for.
create or replace function mp_offer(p_lanes bigint[], p_new bigint[], p_time timestamptz, p_keys bigint[] default '{}', p_full bigint[] default '{}', p_quietly boolean default false,
  out o_ids bigint[], out o_queues integer[], out o_lanes bigint[], out o_whole boolean) language plpgsql as $$
declare
  chosen record;
  -- Of each lane, how many at most; null: as many as there is room for.
  mosts integer[];
  offered_max constant integer := 1000;
begin
  chosen := mp_choose_lanes(p_keys, p_time);
  select coalesce(array_agg(x.id), '{}'), array_agg(x.most) into o_lanes, mosts from (
    select y.id, case when count(y.most) = count(*) then max(y.most) end as most from (
      select p.id, null::integer as most from unnest(p_lanes) p(id) union all select c.id, c.most from unnest(chosen.o_lanes, chosen.o_most) c(id, most)) y group by y.id) x;
  if cardinality(o_lanes) = 0 then
    perform mp_set_alarms(p_full || chosen.o_waiting, p_time);
    return;
  end if;
  perform from lane where id = any (o_lanes) order by id for no key update;
  if exists (select from paused_batch) then
    perform mp_set_aside(o_lanes);
  end if;
  -- A new statement: it sees what was committed before the lanes were locked.
  with room as materialized (
    select l.id, l.queue, l.flow, l.has_capacity, x.most,
      -- Of keys of capacity, the sizes of tasks decide.
      greatest(least((select min(k.bound - mp_taken(k.key, k.window_ms, u.in_use, p_time)) from unnest(l.keys, l.types, l.bounds, l.windows) k(key, type, bound, window_ms)
        join rule_usage u on u.key_id = any (array[k.key]) where k.type <> 2), offered_max), 0) as places,
      (select min(k.bound - u.in_use) from unnest(l.keys, l.types, l.bounds) k(key, type, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.type = 2) as work
    from unnest(o_lanes, mosts) x(id, most) join lane l on l.id = any (array[x.id])
  ), fresh as materialized (
    -- What of p_new stands in ready.
    select h.lane, -h.priority as rank, h.id, r.place, case when (select l.has_capacity from lane l where l.id = any (array[h.lane])) then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t where t.id = any (array[h.id])) end as work_left
    from unnest(p_new) x(id) join task_state h on h.id = any (array[x.id]) cross join lateral (
      select q.ctid as place from ready q where q.queue = h.queue and q.rank = -h.priority and q.flow = coalesce(h.flow, 0) and q.id = h.id offset 0) r
    where h.lane is not null
  ), left_over as materialized (
    -- What is left of the room when what others have in ready has started. All of that is known where p_new has to be compared with it.
    select room.id, room.queue, room.flow, room.has_capacity, room.places as room_places, room.work as room_work, least(room.places - o.n, room.most) as places, room.work - o.work as work,
      o.ranks, o.ids, o.sizes
    from room cross join lateral (
      select count(*) as n, coalesce(sum(r.work_left), 0) as work, case when p_new <> '{}' then array_agg(r.rank) end as ranks, case when p_new <> '{}' then array_agg(r.id) end as ids,
        case when p_new <> '{}' then array_agg(r.work_left) end as sizes
      from (
        select r.rank, r.id, case when room.has_capacity then (
            select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[r.id])) end as work_left
          from ready r where r.lane = room.id and r.id not in (select f.id from fresh f) order by r.rank, r.id limit room.places
      ) r
    ) o
  ), candidate as materialized (
    select l.id as lane, l.queue, l.flow, b.place, b.rank, b.id, b.block_time, case when l.has_capacity then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[b.id])) end as work_left
    from left_over l cross join lateral (
      select q.ctid as place, q.rank, q.id, q.block_time from blocked q where q.lane = l.id order by q.rank, q.id limit l.places for update skip locked
    ) b where l.places > 0 and coalesce(l.work > 0, true)
  ), ranked as materialized (
    -- Joined with the lanes, two lists of thousands would be compared all with all: so each lane stands before its tasks. n, size_before: among candidates and fresh ones; n_all, size_all_before: with what
    -- others have in ready.
    select r.*, max(r.places) over lane as lane_places, max(r.work) over lane as lane_work, max(r.room_places) over lane as lane_room, max(r.room_work) over lane as lane_room_work,
      count(*) filter (where r.kind in (1, 2)) over so_far as n, coalesce(sum(r.size) filter (where r.kind in (1, 2)) over (so_far rows between unbounded preceding and 1 preceding), 0) as size_before,
      count(*) filter (where r.kind > 0) over so_far as n_all, coalesce(sum(r.size) over (so_far rows between unbounded preceding and 1 preceding), 0) as size_all_before
    from (
      select 0 as kind, l.id as lane, null::integer as queue, null::integer as flow, null::smallint as rank, null::bigint as id, null::tid as place, null::bigint as size, null::timestamptz as block_time,
        greatest(l.places, 0) as places, l.work, l.room_places, l.room_work from left_over l
      union all
      select 1, c.lane, c.queue, c.flow, c.rank, c.id, c.place, c.work_left, c.block_time, null, null, null, null from candidate c
      union all
      select 2, f.lane, null, null, f.rank::smallint, f.id, f.place, f.work_left, null, null, null, null, null from fresh f
      union all
      select 3, l.id, null, null, s.rank, s.id, null, s.size, null, null, null, null, null from left_over l cross join lateral unnest(l.ranks, l.ids, l.sizes) s(rank, id, size)
    ) r
    window lane as (partition by r.lane), so_far as (partition by r.lane order by (r.kind = 0) desc, r.rank, r.id)
  ), chosen_from as materialized (
    select r.*, r.n <= r.lane_places and (r.lane_work is null or r.size_before < r.lane_work) as fits from ranked r where r.kind in (1, 2)
  ), gone as (
    -- What is more urgent than what others have in ready stays beside it: claims decide.
    delete from ready where ctid = any (array(
      select r.place from chosen_from r where r.kind = 2 and not r.fits and not (r.n_all <= r.lane_room and (r.lane_room_work is null or r.size_all_before < r.lane_room_work))))
    returning lane, rank, id
  ), kept as (
    insert into blocked (lane, rank, id, batch_id, block_time)
    select h.lane, gone.rank, gone.id, h.batch_id, p_time from gone join task_state h on h.id = any (array[gone.id]) on conflict do nothing
  ), picked as materialized (
    select r.queue, r.flow, r.rank, r.id, r.lane, r.place, r.block_time from chosen_from r where r.kind = 1 and r.fits
  ), freed as (
    delete from blocked where ctid = any (array(select place from picked))
  ), told as (
    insert into blocked_wait (waits_ms)
    select array_agg(least(greatest(extract(epoch from p_time - x.block_time) * 1000, 0), 2147483647)::integer)
    from (select block_time, (row_number() over () - 1) / 1000 as part from picked) x group by x.part
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, rank, flow, id, lane from picked on conflict do nothing
  )
  select (select array_agg(id) from picked), (select array_agg(queue) from picked), chosen.o_whole and not bool_or(room.places = offered_max)
  into o_ids, o_queues, o_whole from room;
  perform mp_set_alarms(o_lanes || chosen.o_waiting || p_full, p_time);
  if not p_quietly then
    perform mp_tell_queues(o_queues);
  end if;
end $$;
