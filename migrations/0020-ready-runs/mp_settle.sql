-- Settles the edges that leave tasks that have ended, level by level, until nothing more ends: the whole of propagation.
-- p_ids, p_statuses: tasks that ended in this transaction. p_parents, p_parent_statuses, p_children, p_conditions: further edges
-- of the first level (of new tasks onto parents that had ended before). p_late_only: of p_ids, only late edges are settled,
-- because the caller ends all tasks of their batch itself.
-- A child fails at once when an edge that it must have cannot be met any more; it starts, or is skipped, when its last edge has
-- been settled: so the result is the same whatever the order in which two transactions commit.
-- A parent that was retried settles its edges again: a child that has started meanwhile, or is held with nothing left to wait for, is left alone.
-- p_slots: what becomes ready, and has no rules, takes these places and is RUNNING at once, the most urgent first; the rest is queued. Places go by how the children stand before
-- they are locked: where another transaction decides otherwise, one stays free. Who gives places shares a gate that PauseBatch closes. While any batch is held none is used:
-- claims find out what of it is; looked at in each level, for a parent that was waited for may have got a child in a batch that was created held.
-- p_plain: all of p_ids have succeeded, and none has edges of tasks that came later, nor a child that may end at once: that need not be found out again.
-- Locks: where more than one level may end, all that can be is locked first, in the order of ids.
create or replace function mp_settle(p_ids bigint[], p_statuses smallint[], p_parents bigint[], p_parent_statuses smallint[],
  p_children bigint[], p_conditions smallint[], p_late_only boolean, p_time timestamptz, inout p_changes mp_changes, p_slots mp_slots default null, p_plain boolean default false,
  out o_ready integer[], out o_started bigint[], out o_started_attempts integer[], out o_places integer[])
language plpgsql as $$
declare
  ids bigint[] := p_ids;
  statuses smallint[] := p_statuses;
  parents bigint[] := p_parents;
  parent_statuses smallint[] := p_parent_statuses;
  children bigint[] := p_children;
  conditions smallint[] := p_conditions;
  late_only boolean := p_late_only;
  plain boolean := p_plain;
  places_given boolean := (p_slots).queues is not null;
  level record;
  -- Of p_plain: the children, with how many of their edges are settled, and the places that they are given.
  settled record;
  placed record;
  -- What the last levels changed: appended to p_changes now and then only, for that copies all of it.
  recent mp_changes;
begin
  o_ready := '{}';
  if not plain and (6 <> any (p_statuses) or 6 <> any (p_parent_statuses)
    or exists (select from task_state h where h.id = any (p_ids) and (h.cascades or h.grown))) then
    perform mp_lock_downstream(p_ids, p_children, p_late_only, p_statuses);
  end if;
  loop
    if plain then
      -- What most reports are: of tasks that have succeeded, every edge is met. Their children are found by one scan of the index, in the order of their ids, and of each, by halving, how many edges are
      -- settled, and its place: a join would look for each child by itself. The arrays hold no null: of an array with nulls, all elements before the one that is wanted are passed.
      select array_agg(e.child) as ids, array_agg(e.n) as counts into settled from (
        select c.child, count(*)::integer as n from task t cross join lateral unnest(t.children) c(child) where t.id = any (ids) group by c.child order by c.child
      ) e;
      places_given := places_given and not exists (select from paused_batch);
      if places_given then
        select array_agg(x.id order by x.id) as ids, array_agg(case when x.rank <= x.count then x.first + x.rank - 1 else 0 end order by x.id) as places into placed from (
          select h.id, p.first, p.count, (row_number() over (partition by p.pool order by h.priority desc, h.id))::integer as rank
          from task_state h left join unnest((p_slots).queues, (p_slots).pools, (p_slots).firsts, (p_slots).counts) p(queue, pool, first, count)
            on p.queue = h.queue and h.status = 1 and h.deps_left = settled.counts[width_bucket(h.id, settled.ids)] and h.execution = 1 and not h.skip and coalesce(h.start_time <= p_time, true) and h.lane is null
          where h.id = any (settled.ids)
        ) x;
      else
        select null::bigint[] as ids, null::integer[] as places into placed;
      end if;
      with outcome as (
        update task_state h set
          deps_left = h.deps_left - settled.counts[width_bucket(h.id, settled.ids)],
          status = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then 4 else mp_outcome(h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.unmet_policy, null, null, h.skip, h.execution, h.start_time > p_time) end,
          prior_status = case when mp_outcome(h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.unmet_policy, null, null, h.skip, h.execution, h.start_time > p_time) <> h.status then h.status else 0 end,
          end_time = case when (h.skip or h.execution = 3) and mp_outcome(h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.unmet_policy, null, null, h.skip, h.execution, h.start_time > p_time) in (6, 9) then p_time end,
          -- The clock, not p_time: later than the ends of parents in transactions that this one has waited for.
          attempt = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then h.attempt + 1 else h.attempt end,
          worker = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then (p_slots).workers[least(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), cardinality((p_slots).workers))] else h.worker end,
          held_lane = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then null else h.held_lane end,
          claim_time = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then clock_timestamp() else h.claim_time end,
          run_time = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then clock_timestamp() else h.run_time end,
          activity_time = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then clock_timestamp() else h.activity_time end,
          lease_until = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time)
            then clock_timestamp() + (p_slots).leases[least(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), cardinality((p_slots).leases))] * interval '1 millisecond' else h.lease_until end
        where h.id = any (settled.ids) and h.status in (1, 5) and h.deps_left > 0
        returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.lane, h.flow, h.start_time, h.dependents, h.worker, h.lease_until,
          h.inactivity_timeout_ms, h.execution_timeout_ms, case when h.status = 4 then nullif(placed.places[width_bucket(h.id, placed.ids)], 0) end as place
      )
      select array_fill(2::smallint, array[count(*)::integer]) as types, array_agg(batch_id) as batch_ids, array_agg(id) as ids, array_agg(prior_status) as from_statuses,
        array_agg((case when status = 4 then 2 else status end)::smallint) as to_statuses, array_agg(case when status = 4 then attempt - 1 else attempt end) as attempts, array_agg(queue) as queues,
        array_fill(0, array[count(*)::integer]) as workers, array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) as ready,
        array_agg(id) filter (where status in (6, 9) and dependents > 0) as next_ids, array_agg(status) filter (where status in (6, 9) and dependents > 0) as next_statuses,
        array_agg(id) filter (where status = 4) as started, array_agg(batch_id) filter (where status = 4) as started_batches, array_agg(attempt) filter (where status = 4) as started_attempts,
        array_agg(queue) filter (where status = 4) as started_queues, array_agg(worker) filter (where status = 4) as started_workers, array_agg(place) filter (where status = 4) as places,
        min(least(lease_until, p_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) filter (where status = 4) as due,
        case when bool_or(status = 2 and (lane is not null or flow is not null or start_time is not null)) then
          array_agg(lane is not null or flow is not null or start_time is not null) filter (where status = 2 and coalesce(start_time <= p_time, true)) end as alone,
        array_agg(id) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queued, array_agg(queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queues_of_queued, array_agg(-priority) filter (where status = 2 and coalesce(start_time <= p_time, true)) as ranks,
        array_agg(coalesce(flow, 0)) filter (where status = 2 and coalesce(start_time <= p_time, true)) as flows, array_agg(lane) filter (where status = 2 and coalesce(start_time <= p_time, true)) as lanes,
        bool_or(status = 2 and start_time > p_time) as delays, false as fails, null::bigint[] as culprits
      into level from outcome where prior_status <> 0;
    else
      with edge as (
        select x.id as parent, x.status as parent_status, c.child, coalesce(c.condition, 1::smallint) as condition
        from unnest(ids, statuses) x(id, status) join task t on t.id = any (array[x.id])
          cross join lateral unnest(t.children, t.child_conditions) c(child, condition)
        where not late_only
        union all
        select x.id, x.status, l.child, l.condition from unnest(ids, statuses) x(id, status)
          cross join lateral (select e.child, e.condition from edge_late e where e.parent = any (array[x.id]) offset 0) l
        where not plain
        union all
        select x.parent, x.status, x.child, x.condition from unnest(parents, parent_statuses, children, conditions) x(parent, status, child, condition)
      ), settled as materialized (
        select child, count(*)::integer as n,
          min(parent) filter (where condition = 1 and parent_status in (7, 8)) as unmet_success,
          min(parent) filter (where condition = 3 and parent_status = 6) as unmet_failure,
          bool_or(condition <> 2 and parent_status = 9) as by_skip
        from edge group by child order by child
      ), placed as materialized (
        select child, n, unmet_success, unmet_failure, by_skip, null::integer as place from settled where not places_given
        union all
        select child, n, unmet_success, unmet_failure, by_skip, place from (
          select s.*, case when s.rank <= s.count and not exists (select from paused_batch) then s.first + s.rank::integer - 1 end as place from (
            select s.*, p.first, p.count, row_number() over (partition by p.pool order by h.priority desc, s.child) as rank
            from settled s join task_state h on h.id = any (array[s.child])
              left join unnest((p_slots).queues, (p_slots).pools, (p_slots).firsts, (p_slots).counts) p(queue, pool, first, count)
                on p.queue = h.queue and h.status = 1 and h.deps_left = s.n and h.execution = 1 and not h.skip and s.unmet_success is null and s.unmet_failure is null
                  and not s.by_skip and coalesce(h.start_time <= p_time, true) and h.lane is null
            where places_given
          ) s order by s.child
        ) s
      ), outcome as (
        update task_state h set
          deps_left = h.deps_left - s.n,
          skip = h.skip or s.by_skip or (s.unmet_success is not null and h.unmet_policy = 2) or (s.unmet_failure is not null and h.unmet_policy <> 1),
          status = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then 4
            else mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) end,
          prior_status = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) <> h.status then h.status else 0 end,
          end_time = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) in (6, 7, 9) then p_time end,
          -- The clock, not p_time: later than the ends of parents in transactions that this one has waited for.
          attempt = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then h.attempt + 1 else h.attempt end,
          worker = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then (p_slots).workers[least(s.place, cardinality((p_slots).workers))] else h.worker end,
          held_lane = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then null else h.held_lane end,
          claim_time = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then clock_timestamp() else h.claim_time end,
          run_time = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then clock_timestamp() else h.run_time end,
          activity_time = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then clock_timestamp() else h.activity_time end,
          lease_until = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time)
            then clock_timestamp() + (p_slots).leases[least(s.place, cardinality((p_slots).leases))] * interval '1 millisecond' else h.lease_until end
        from placed s
        where h.id = any (array[s.child]) and h.status in (1, 5) and h.deps_left > 0
        returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.lane, h.flow, h.start_time, h.dependents, h.edits, h.worker, h.lease_until,
          h.inactivity_timeout_ms, h.execution_timeout_ms, case when h.status = 4 then s.place end as place,
          case when h.status = 7 then coalesce(case when h.unmet_policy <> 2 then s.unmet_success end, s.unmet_failure) end as culprit
      )
      select array_agg((case when status = 7 then 7 else 2 end)::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids,
        array_agg(prior_status) from_statuses, array_agg((case when status = 4 then 2 else status end)::smallint) to_statuses,
        array_agg(case when status = 4 then attempt - 1 else attempt end) attempts, array_agg(queue) queues,
        array_agg(case when status = 7 then edits else 0 end) workers, array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) ready,
        array_agg(id) filter (where status in (6, 7, 9) and dependents > 0) next_ids,
        array_agg(status) filter (where status in (6, 7, 9) and dependents > 0) next_statuses,
        array_agg(id) filter (where status = 4) started, array_agg(batch_id) filter (where status = 4) started_batches,
        array_agg(attempt) filter (where status = 4) started_attempts, array_agg(queue) filter (where status = 4) started_queues,
        array_agg(worker) filter (where status = 4) started_workers, array_agg(place) filter (where status = 4) places,
        min(least(lease_until, p_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) filter (where status = 4) as due,
        case when bool_or(status = 2 and (lane is not null or flow is not null or start_time is not null)) then
          array_agg(lane is not null or flow is not null or start_time is not null) filter (where status = 2 and coalesce(start_time <= p_time, true)) end as alone,
        array_agg(id) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queued, array_agg(queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queues_of_queued,
        array_agg(-priority) filter (where status = 2 and coalesce(start_time <= p_time, true)) as ranks, array_agg(coalesce(flow, 0)) filter (where status = 2 and coalesce(start_time <= p_time, true)) as flows,
        array_agg(lane) filter (where status = 2 and coalesce(start_time <= p_time, true)) as lanes,
        bool_or(status = 2 and start_time > p_time) as delays, bool_or(status = 7) as fails, array_agg(culprit) as culprits
      into level from outcome where prior_status <> 0;
    end if;

    exit when level.ids is null;
    -- Each of these is seldom needed: as parts of the statement above, all of them were made ready to run each time.
    if level.queued is not null then
      perform mp_queue_tasks(level.queued, mp_trim(level.queues_of_queued), mp_trim(level.ranks), level.alone, level.flows, level.lanes);
    end if;
    if level.started is not null then
      insert into timer (due, task_ids, attempts) values (level.due, level.started, level.started_attempts);
    end if;
    if level.delays then
      insert into timer (due, task_ids, attempts)
      select h.start_time, array_agg(h.id), array_agg(h.attempt) from unnest(level.ids) x(id) join task_state h on h.id = any (array[x.id])
      where h.status = 2 and h.start_time > p_time group by h.start_time;
    end if;
    if level.fails then
      insert into task_attempt (task_id, attempt, status, cause, parent_id, end_time, message)
      select x.id, -x.edits, 7, 7, x.culprit, p_time,
        format('dependency "%s" ended as %s', coalesce(t.key, t.name), (array['SUCCESS', 'FAILURE', 'CANCELED', 'SKIPPED'])[h.status - 5])
      from unnest(level.ids, level.workers, level.culprits) x(id, edits, culprit) join task t on t.id = any (array[x.culprit]) join task_state h on h.id = any (array[x.culprit])
      where x.culprit is not null
      on conflict (task_id, attempt) do update set status = 7, cause = 7, parent_id = excluded.parent_id, end_time = excluded.end_time, message = excluded.message;
    end if;
    recent := mp_concat(recent, row(level.types, level.batch_ids, level.ids, level.from_statuses, level.to_statuses, level.attempts, level.queues, level.workers, null, null));
    if level.started is not null then
      -- As a claim in the same moment: PENDING, then RUNNING.
      recent := mp_concat(recent, row(array_fill(2::smallint, array[cardinality(level.started)]), level.started_batches, level.started,
        array_fill(2::smallint, array[cardinality(level.started)]), array_fill(4::smallint, array[cardinality(level.started)]), level.started_attempts,
        level.started_queues, level.started_workers, null, null));
      o_started := o_started || level.started;
      o_started_attempts := o_started_attempts || level.started_attempts;
      o_places := o_places || level.places;
      -- What a further level makes ready is queued: these places are taken.
      p_slots := null;
      places_given := false;
    end if;
    if cardinality(recent.task_ids) > 200 then
      p_changes := mp_concat(p_changes, recent);
      recent := null;
    end if;
    o_ready := o_ready || level.ready;
    exit when level.next_ids is null;
    ids := level.next_ids;
    statuses := level.next_statuses;
    parents := '{}';
    parent_statuses := '{}';
    children := '{}';
    conditions := '{}';
    late_only := false;
    plain := false;
  end loop;
  p_changes := mp_concat(p_changes, recent);
end $$;
