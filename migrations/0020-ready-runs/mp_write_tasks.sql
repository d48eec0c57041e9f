-- Writes tasks of new batches: all that mp_create_graphs says of its arrays by task. A large graph comes in parts. Answers the queues that have something to start.
-- p_tight: the lanes of those that may start which are tight (mp_tight_lanes).
-- p_specs: texts of ProtoJSON, `{…}`. One that tasks of a batch share comes once, as `+{…}` with the first of them; others have `=` and the id of that task.
create or replace function mp_write_tasks(
  p_namespace integer, p_time timestamptz,
  p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[],
  p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamptz[], p_start_timeouts integer[],
  p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[],
  p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[],
  p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[],
  p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[], p_lanes bigint[], p_flows integer[],
  p_tight bigint[], out o_ready integer[]
) language plpgsql as $$
declare
  n integer := cardinality(p_ids);
  -- All of them may start, and nothing sets one apart.
  is_alike constant boolean := p_lanes is null and p_flows is null and p_start_times is null and mp_trim(p_statuses) = array[2::smallint];
  queued record;
begin
  if n > 1 then
    p_batch_ids := mp_fill(p_batch_ids, n);
    p_queues := mp_fill(p_queues, n);
    p_executions := mp_fill(p_executions, n);
    p_statuses := mp_fill(p_statuses, n);
    p_priorities := mp_fill(p_priorities, n);
    p_start_timeouts := mp_fill(p_start_timeouts, n);
    p_inactivity_timeouts := mp_fill(p_inactivity_timeouts, n);
    p_unmet_policies := mp_fill(p_unmet_policies, n);
    p_deps_left := mp_fill(p_deps_left, n);
    p_dependents := mp_fill(p_dependents, n);
    p_workers := mp_fill(p_workers, n);
    p_leases := mp_fill(p_leases, n);
  end if;
  -- Each array by itself in a list of columns, not all of them in FROM: there, each is written to a store of its own first (a fifth of the time of an insert).
  o_ready := '{}';
  insert into task (id, batch_id, open_batch_id, create_time, expected_count, namespace_id, queue, key, name, parents, parent_conditions,
    children, child_conditions, metadata, input, spec, spec_id)
  select x.id, x.batch_id, x.open_batch_id, p_time, x.expected, p_namespace, x.queue, x.key, x.name, x.parents::bigint[],
    x.parent_conditions::smallint[], x.children::bigint[], x.child_conditions::smallint[], x.metadata::jsonb, x.input,
    case when x.spec like '{%' then x.spec end, case when x.spec like '=%' then substr(x.spec, 2)::bigint when x.spec like '+%' then x.id end
  from (
    select unnest(p_ids) as id, unnest(p_batch_ids) as batch_id, unnest(p_open_batch_ids) as open_batch_id, unnest(p_queues) as queue, unnest(p_keys) as key,
      unnest(p_names) as name, unnest(p_metadatas) as metadata, unnest(p_inputs) as input, unnest(p_specs) as spec, unnest(p_expected) as expected,
      unnest(p_parents) as parents, unnest(p_parent_conditions) as parent_conditions, unnest(p_children) as children, unnest(p_child_conditions) as child_conditions
  ) x;
  if p_specs is not null then
    insert into shared_spec (batch_id, id, spec)
    select x.batch_id, x.id, substr(x.spec, 2) from (select unnest(p_batch_ids) as batch_id, unnest(p_ids) as id, unnest(p_specs) as spec) x where x.spec like '+%';
  end if;
  insert into task_state (id, batch_id, start_time, lease_until, claim_time, run_time, activity_time, deps_left, dependents, queue, start_timeout_ms, inactivity_timeout_ms,
    status, prior_status, attempt, worker, priority, execution, unmet_policy, cascades, retry_policy, execution_timeout_ms, total_timeout_ms, total_deadline, notifies, critical,
    only_for_dependents, serves, lane, flow, held_lane)
  select x.id, x.batch_id, x.start_time, p_time + x.lease * interval '1 millisecond', case when x.status = 4 then p_time end, case when x.status = 4 then p_time end,
    case when x.status = 4 then p_time end, x.deps_left, x.dependents, x.queue, x.start_timeout, x.inactivity_timeout,
    x.status, case when x.status = 4 then 2 else 0 end, case when x.status = 4 then 1 else 0 end, x.worker, x.priority, x.execution,
    x.unmet_policy, coalesce(x.cascades, false), x.policy, x.execution_timeout, x.total_timeout,
    p_time + x.total_timeout * interval '1 millisecond', coalesce(x.notifies, 0), coalesce(x.critical, false), coalesce(x.only_for_dependents, false),
    coalesce(x.serves, false), x.lane, x.flow, case when x.status = 4 then x.lane end
  from (
    select unnest(p_ids) as id, unnest(p_batch_ids) as batch_id, unnest(p_start_times) as start_time, unnest(p_leases) as lease, unnest(p_deps_left) as deps_left,
      unnest(p_dependents) as dependents, unnest(p_queues) as queue, unnest(p_start_timeouts) as start_timeout, unnest(p_inactivity_timeouts) as inactivity_timeout,
      unnest(p_statuses) as status, unnest(p_workers) as worker, unnest(p_priorities) as priority, unnest(p_executions) as execution, unnest(p_unmet_policies) as unmet_policy,
      unnest(p_cascades) as cascades, unnest(p_policies) as policy, unnest(p_execution_timeouts) as execution_timeout, unnest(p_total_timeouts) as total_timeout,
      unnest(p_notifies) as notifies, unnest(p_critical) as critical, unnest(p_only_for_dependents) as only_for_dependents, unnest(p_serves) as serves, unnest(p_lanes) as lane, unnest(p_flows) as flow
  ) x;
  if p_total_timeouts is not null then
    insert into timer (due, task_ids, attempts)
    select p_time + t * interval '1 millisecond', array_agg(id), array_agg(-1) from unnest(p_ids, p_total_timeouts) x(id, t) where t is not null group by t;
  end if;
  if exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(p_ids);
  end if;
  if p_start_times is not null then
    insert into timer (due, task_ids, attempts)
    select x.start_time, array_agg(x.id), array_agg(0) from unnest(p_ids, p_start_times, p_statuses) x(id, start_time, status) where x.status = 2 and x.start_time > p_time group by x.start_time;
    perform mp_tell_timers((select min(x.start_time) from unnest(p_start_times, p_statuses) x(start_time, status) where x.status = 2 and x.start_time > p_time));
  end if;
  if is_alike then
    o_ready := mp_queue_tasks(p_ids, mp_trim(p_queues), array(select -x from unnest(mp_trim(p_priorities)) x), null, null, null);
  elsif 2 = any (p_statuses) then
    select array_agg(x.id) as ids, array_agg(x.queue) as queues, array_agg(-x.priority) as ranks, case when bool_or(x.is_alone) then array_agg(x.is_alone) end as alone, array_agg(x.flow) as flows,
      array_agg(case when x.lane in (select t.lane from unnest(p_tight) t(lane)) then x.lane end) as lanes
    into queued from (
      select y.*, y.lane is not null or y.flow is not null or y.start_time is not null as is_alone from (
        select unnest(p_ids) as id, unnest(p_queues) as queue, unnest(p_priorities) as priority, unnest(p_start_times) as start_time, unnest(p_statuses) as status,
          unnest(p_lanes) as lane, unnest(p_flows) as flow
      ) y
    ) x
    where x.status = 2 and coalesce(x.start_time <= p_time, true);
    if queued.ids is not null then
      o_ready := mp_queue_tasks(queued.ids, mp_trim(queued.queues), mp_trim(queued.ranks), queued.alone, queued.flows, queued.lanes);
    end if;
  end if;
  if p_workers is not null then
    insert into timer (due, task_ids, attempts)
    select p_time + min(least(x.lease, x.inactivity_timeout, x.execution_timeout)) * interval '1 millisecond', array_agg(x.id), array_fill(1, array[count(*)::integer])
    from unnest(p_ids, p_workers, p_leases, p_inactivity_timeouts, p_execution_timeouts) x(id, worker, lease, inactivity_timeout, execution_timeout) where x.worker is not null;
  end if;
end $$;
