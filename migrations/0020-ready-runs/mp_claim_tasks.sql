-- Takes up to p_max tasks from the queues, highest priority first; of one priority, in order of creation, or where tasks have a fairness_key, in turns (mp_take_turns).
-- For workers (p_workers) they are RUNNING under leases of p_leases milliseconds: the first that is taken has the first of these places, and so on; the last elements
-- count for all that follow. Without workers they are CLAIMED, for the time in which their start webhook is called.
-- p_turns: what the claim from these queues before this one answered as o_turns; null: the first, or there were no turns.
-- Tasks are taken by the row, of ready_run (mp_hold_runs), where nothing of ready comes before them, else one by one, of ready. Who changes a row of ready holds its task: a claim locks tasks, waits for
-- none, and passes over those that somebody else holds. o_more says that there may be something left: look again.
-- What rules do not let in is blocked on the way, and costs nothing until there is room for it. Where there seems to be plenty, keys are looked at last; raises MP006 where that
-- was not so: then the claim is made again, strictly (p_strictly): keys first.
-- o_time: of the claim, as the tasks have it. o_changed: those of which something is not as it was when they were created: by edits, counts or earlier attempts.
-- Claims share a gate that PauseBatch and ResumeBatch close: a batch is held before a claim begins or after it has committed.
create or replace function mp_claim_tasks(p_queues integer[], p_max integer, p_workers integer[], p_leases integer[], p_turns jsonb, p_strictly boolean,
  out o_ids bigint[], out o_attempts integer[], out o_places integer[], out o_more boolean, out o_turns jsonb, out o_time timestamptz, out o_changed bigint[])
language plpgsql as $$
declare
  now_time timestamptz;
  -- The first rows of ready of one queue, or the first tasks of ready_run, in the order of ids.
  front record;
  -- The first rows of ready_run, by rank and id. Nobody else takes them.
  run record;
  -- Whether tasks are taken by the row, of ready_run; whether that is because others hold what comes before, of ready; and how often others held those, too.
  by_row boolean;
  past_ready boolean := false;
  misses integer := 0;
  misses_max constant integer := 64;
  -- So many tasks of these rows are looked at; and behind which row, where others held all that was before.
  span integer;
  after_rank smallint := -32768;
  after_id bigint := 0;
  -- In the order of their places; the lanes of these.
  taken bigint[];
  lanes bigint[];
  removed bigint[];
  held bigint[];
  seen integer;
  -- How many rows of each of several queues are looked at.
  depth integer := p_max;
  heads integer;
  holds boolean;
  -- Of one queue, what others hold is passed over.
  passes_over boolean := false;
  -- All that was looked at may be less than there is.
  is_cut boolean := false;
  in_turns boolean := exists (select from fair_queue f where f.queue = any (p_queues));
  has_runs boolean := not in_turns and exists (select from ready_run r where r.queue = any (p_queues));
  -- What is taken, and its places, in the order of ids.
  chosen record;
  moved record;
  to_status smallint := case when p_workers is null then 3 else 4 end;
  n_workers integer := cardinality(p_workers);
  n_leases integer := cardinality(p_leases);
  limited boolean;
  -- How many tasks of which lanes.
  wanted record;
  admitted boolean := false;
  any_blocked boolean;
  moves mp_moves := row('{}', '{}', '{}');
  let_in record;
  working_lanes bigint[];
  -- Lanes to be offered: of which tasks have been taken out of ready, though not to start, or the last of those that may.
  passed bigint[] := '{}';
  -- Lanes of which something was offered that rules turned down: others may have what is left there.
  lost bigint[] := '{}';
  parked_lanes bigint[];
  parks integer := 0;
  parks_max constant integer := 5;
begin
  o_ids := '{}';
  o_attempts := '{}';
  o_places := '{}';
  o_turns := p_turns;
  if pg_advisory_xact_lock_shared(7710, 1) is null then return; end if;
  -- Taken is what this claim has removed from ready: a row that it sees may be gone, of a task that has been claimed and queued again meanwhile.
  loop
    by_row := false;
    is_cut := false;
    if has_runs then
      select h.o_places as places, h.o_queues as queues, h.o_ranks as ranks, h.o_ids as ids, h.o_tasks as tasks, h.o_befores as befores, h.o_total as total, cardinality(h.o_ids) as rows into run
      from mp_hold_runs(p_queues, p_max, after_rank, after_id) h;
      -- Where others hold very many, all of these rows is looked at, and nothing of them is passed over.
      span := case when misses < 4 then p_max else run.total end;
      -- Where nothing of ready comes before them; else they are looked at together, task by task.
      by_row := run.ids is not null and case when past_ready then true when run.total < p_max then not exists (
        select from unnest(p_queues) q(queue) where exists (select from ready r where r.queue = q.queue offset 0))
      else not exists (
        select from unnest(p_queues) q(queue) where exists (
          select from ready r where r.queue = q.queue and (r.rank, r.flow, r.id) < (run.ranks[run.rows], 0, run.ids[run.rows] + span - run.befores[run.rows]) offset 0)) end;
      if not by_row and run.ids is not null then
        perform mp_open_runs(p_queues, least(depth, 8 * p_max));
      end if;
    end if;
    if by_row then
      select array_agg(x.id order by x.id) as ids, array_agg(x.rank order by x.id) as ranks into front from (
        select x.id + n as id, x.rank from unnest(run.ids, run.ranks, run.tasks, run.befores) x(id, rank, tasks, before) cross join lateral generate_series(0, least(x.tasks, span - x.before) - 1) n
      ) x;
      with free as materialized (
        select h.id, h.lane, front.ranks[width_bucket(h.id, front.ids)] as rank from task_state h where h.id = any (front.ids) and h.status = 2 limit p_max for update skip locked
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), exists (select from paused_batch) into taken, lanes, holds from free;
      heads := cardinality(front.ids);
      if taken is null then
        misses := misses + 1;
        if misses > 4 then
          -- Somebody is about to cancel very many: they stay where they are.
          after_rank := run.ranks[run.rows];
          after_id := run.ids[run.rows];
          has_runs := misses < misses_max;
          continue;
        end if;
      end if;
      -- What somebody else held while the row was held has been out of sight: it is looked at again.
      is_cut := heads >= p_max or cardinality(taken) is distinct from heads;
      removed := taken;
      delete from ready_run where ctid = any (run.places);
      -- What is left of the last row, and what somebody else holds.
      if run.total > span then
        insert into ready_run (queue, rank, id, tasks)
        values (run.queues[run.rows], run.ranks[run.rows], run.ids[run.rows] + span - run.befores[run.rows], run.total - span);
      end if;
      if taken is null or cardinality(taken) < heads then
        insert into ready (queue, rank, flow, id)
        select x.queue, x.rank, 0, x.id + n from unnest(run.queues, run.ids, run.ranks, run.tasks, run.befores) x(queue, id, rank, tasks, before)
          cross join lateral generate_series(0, least(x.tasks, span - x.before) - 1) n where (x.id + n in (select unnest(taken))) is not true on conflict do nothing;
      end if;
      continue when taken is null;
    elsif in_turns then
      select t.o_ids, t.o_lanes, t.o_ids, t.o_turns, t.o_more, 0, exists (select from paused_batch) into taken, lanes, removed, o_turns, o_more, heads, holds
      from mp_take_turns(p_queues, p_max, o_turns) t;
    elsif cardinality(p_queues) = 1 and not passes_over then
      -- The head of the queue by one scan of the index of tasks, in the order of their ids; which row of ready is whose is found by halving: a join would look for each task by itself. The arrays are in a
      -- record, not in FROM: there, they would be copied for each row that is locked. The places of rows stay theirs until they are deleted below, for
      -- the statement that called this began before: nothing that it may see is vacuumed away.
      select coalesce(array_agg(r.id order by r.id), '{}') as ids, array_agg(r.ctid order by r.id) as places, array_agg(r.rank order by r.id) as ranks into front from (
        select r.ctid, r.rank, r.id from ready r where r.queue = p_queues[1] order by r.rank, r.flow, r.id limit p_max
      ) r;
      with free as materialized (
        select h.id, h.lane, front.places[width_bucket(h.id, front.ids)] as place, front.ranks[width_bucket(h.id, front.ids)] as rank
        from task_state h where h.id = any (front.ids) and h.status = 2 for update skip locked
      ), gone as (
        delete from ready where ctid = any (array(select free.place from free)) returning id
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), (select array_agg(id) from gone), cardinality(front.ids), exists (select from paused_batch)
      into taken, lanes, removed, heads, holds from free;
      is_cut := heads = p_max;
      -- Somebody else holds all of it: what is behind is looked at one by one.
      if taken is null and heads > 0 then
        passes_over := true;
        depth := depth * 8;
        continue;
      end if;
    elsif cardinality(p_queues) = 1 then
      with free as materialized (
        select r.ctid, r.rank, r.id, h.lane from ready r join task_state h on h.id = any (array[r.id]) where r.queue = p_queues[1] and h.status = 2
        order by r.rank, r.flow, r.id limit p_max for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(select ctid from free)) returning id
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), (select array_agg(id) from gone), 0, exists (select from paused_batch)
      into taken, lanes, removed, heads, holds from free;
      is_cut := has_runs and taken is not null;
    else
      -- Only what is taken is locked: the heads of all queues are more.
      with head as materialized (
        select r.queue, r.rank, r.flow, r.id from unnest(p_queues) q(queue) cross join lateral (
          select r.queue, r.rank, r.flow, r.id from ready r where r.queue = q.queue order by r.rank, r.flow, r.id limit depth
        ) r order by r.rank, r.id
      ), free as materialized (
        select head.queue, head.rank, head.flow, h.lane, h.id from head join task_state h on h.id = any (array[head.id]) where h.status = 2 limit p_max for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(
          select r.place from free cross join lateral (
            select q.ctid as place from ready q where q.queue = free.queue and q.rank = free.rank and q.flow = free.flow and q.id = free.id offset 0) r)) returning id
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), (select array_agg(id) from gone), (select count(*) from head),
        exists (select from paused_batch)
      into taken, lanes, removed, heads, holds from free;
      is_cut := has_runs and taken is not null;
    end if;
    if cardinality(removed) is distinct from cardinality(taken) then
      select array_agg(x.id order by x.n), array_agg(x.lane order by x.n) into taken, lanes from unnest(taken, lanes) with ordinality x(id, lane, n) where x.id in (select unnest(removed));
    end if;
    seen := coalesce(cardinality(taken), 0);
    -- A worker with one place takes the last task of a queue as often as not: who waits next must know that there is nothing left.
    o_more := coalesce(in_turns and o_more, false) or ((seen = p_max or is_cut) and exists (
      select from unnest(p_queues) q(queue) where exists (select from ready_run r where r.queue = q.queue offset 0) or exists (select from ready r where r.queue = q.queue offset 0)));
    if taken is null then
      -- Others hold the heads: what is behind them may be free.
      if heads < depth or depth > 64 * p_max then
        exit when past_ready or not has_runs;
        past_ready := true;
      end if;
      depth := depth * 8;
      continue;
    end if;
    if holds then
      with parted as materialized (
        select h.id, x.place, h.batch_id, h.queue, h.priority, h.flow, h.lane, p.batch_id is not null as is_held from unnest(taken) with ordinality x(id, place)
          join task_state h on h.id = any (array[x.id]) left join paused_batch p on p.batch_id = any (array[h.batch_id])
      ), kept as (
        insert into parked (batch_id, id, queue, rank, flow, lane) select batch_id, id, queue, -priority, coalesce(flow, 0), lane from parted where is_held on conflict do nothing
      )
      select array_agg(id order by place) filter (where not is_held), array_agg(lane order by place) filter (where not is_held), array_agg(id) filter (where is_held),
        array_agg(distinct lane) filter (where is_held and lane is not null)
      into taken, lanes, held, parked_lanes from parted;
      if held is not null then
        -- There is more of that batch where this was.
        passed := passed || parked_lanes || mp_park(p_queues, p_max);
        o_more := true;
        parks := parks + 1;
      end if;
    end if;
    -- What is held may be a million: others go on with it.
    exit when taken is not null or parks = parks_max;
  end loop;
  limited := array_remove(lanes, null) <> '{}';
  if limited then
    select array_agg(g.lane) as lanes, array_agg(g.n) as counts into wanted from (
      select x.lane, count(*) as n from unnest(lanes) x(lane) where x.lane is not null group by x.lane) g;
    if p_strictly or not mp_have_room(wanted.lanes, wanted.counts) then
      let_in := mp_admit(taken, lanes);
      admitted := true;
      taken := nullif(let_in.o_ids, '{}');
      now_time := let_in.o_time;
      o_more := o_more or let_in.o_blocked <> '{}';
      working_lanes := array(select l.id from (select distinct x.lane from unnest(lanes) x(lane)) x join lane l on l.id = any (array[x.lane]) where l.has_capacity);
    end if;
  end if;
  if taken is null then
    if admitted then
      lost := mp_turn_down(let_in.o_blocked, let_in.o_keys);
    end if;
    perform mp_offer(array(select distinct lane from unnest(passed || mp_drained_lanes(lanes)) x(lane)), '{}', coalesce(now_time, clock_timestamp()), array(
      select distinct k.key from unnest(lost || passed) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)), lost);
    return;
  end if;

  -- Later than the commit of whatever made them ready: the times of parents and children are in order.
  now_time := coalesce(now_time, clock_timestamp());
  select array_agg(x.id order by x.id) as ids, array_agg(x.place::integer order by x.id) as places into chosen from unnest(taken) with ordinality x(id, place);
  with u as (
    update task_state h set status = to_status, prior_status = 2, attempt = h.attempt + 1, worker = p_workers[case when n_workers = 1 then 1 else least(chosen.places[width_bucket(h.id, chosen.ids)], n_workers) end],
      claim_time = now_time, run_time = case when to_status = 4 then now_time end, activity_time = now_time,
      lease_until = now_time + case when to_status = 4 then p_leases[case when n_leases = 1 then 1 else least(chosen.places[width_bucket(h.id, chosen.ids)], n_leases) end] else h.start_timeout_ms end * interval '1 millisecond',
      held_lane = h.lane, held_amount = case when h.lane = any (working_lanes) then (
        select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t where t.id = any (array[h.id])) end
    where h.id = any (chosen.ids) and h.status = 2
    returning h.id, h.batch_id, h.attempt, h.queue, h.worker, h.lane, h.held_amount, chosen.places[width_bucket(h.id, chosen.ids)] as place, h.lease_until, h.inactivity_timeout_ms, h.execution_timeout_ms,
      h.attempt > 1 or h.edits > 0 or h.success_count > 0 or h.failure_count > 0 as is_changed
  )
  select array_agg(batch_id) as batch_ids, array_agg(id) as ids, array_agg(attempt) as attempts, array_agg(queue) as queues, array_agg(worker) as workers, array_agg(lane) as lanes, array_agg(held_amount) as amounts,
    array_agg(place) as places, array_agg(id) filter (where is_changed) as changed, min(case when to_status = 4 then least(lease_until, now_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')
      else lease_until end) as due
  into moved from u;
  if moved.ids is null then return; end if;
  insert into timer (due, task_ids, attempts) values (moved.due, moved.ids, moved.attempts);
  if limited then
    if admitted or cardinality(moved.ids) < cardinality(taken) then
      select array_agg(g.lane), array_agg(g.n), array_agg(g.amount) into moves.lanes, moves.holders, moves.amounts from (
        select x.lane, count(*) as n, coalesce(sum(x.amount), 0) as amount from unnest(moved.lanes, moved.amounts) x(lane, amount) where x.lane is not null group by x.lane) g;
    else
      moves := row(wanted.lanes, wanted.counts, array_fill(0, array[cardinality(wanted.lanes)]));
    end if;
    -- Of what was taken, perhaps only tasks without rules were let in.
    if moves.lanes is not null then
      perform mp_keep_holds(moved.ids, moved.lanes, cardinality(moves.lanes), now_time);
    end if;
  end if;
  o_ids := moved.ids;
  o_attempts := moved.attempts;
  o_places := moved.places;
  o_time := now_time;
  o_changed := moved.changed;
  perform mp_append_event(row(array[2::smallint], moved.batch_ids, moved.ids, array[2::smallint], array[to_status], moved.attempts, moved.queues,
    case when to_status = 4 then moved.workers else array[0] end, null, null)::mp_changes, '{}', null, '{}', admitted, moves);
  if admitted then
    -- As the keys are locked, and say what has been taken: somebody may have blocked more meanwhile.
    if let_in.o_blocked <> '{}' then
      lost := mp_turn_down(let_in.o_blocked, let_in.o_keys);
    end if;
  end if;
  if limited or passed <> '{}' then
    -- While nothing at all is blocked, there is nothing to offer.
    any_blocked := exists (select from blocked);
    if limited and any_blocked then
      passed := passed || mp_drained_lanes(lanes);
    end if;
    if any_blocked or passed <> '{}' then
      perform mp_offer(array(select distinct lane from unnest(passed) x(lane)), '{}', now_time, case when any_blocked then array(
        select distinct k.key from unnest(lanes || lost || passed) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)) end, lost);
    end if;
  end if;
end $$;
