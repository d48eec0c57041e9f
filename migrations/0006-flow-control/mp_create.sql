-- Creates a graph: tasks of one call, in a new batch or an open one. Arrays are ordered by id, parents before children.
-- p_statuses: 1 with dependencies, else 2; deps_left counts all edges, also those onto parents that have ended.
-- Late edges: onto tasks that exist. The update of a living parent is the lock against its end: whoever comes second sees the other.
-- Edges onto tasks that have ended are kept too: where these are retried, they know their children.
-- An array of which every value would be the usual one (null, false, 0) is null.
-- p_lanes: under which rules each task starts; p_flows: with whom it takes turns; null: none has any.
-- p_answer: what a repetition with the same request_id is told of the tasks.
-- Raises MP001 (no such batch), MP002 (batch sealed or ended), MP003 (no such parent; detail: its id).
-- Answers the tasks whose status is no longer the one asked for, the batch as it stands, and queues with something to start;
-- where request_id has been answered before: that answer with its hash, and nothing is created.
create function mp_create(
  p_namespace integer, p_batch bigint, p_new boolean, p_name text, p_metadata text, p_open boolean, p_request_id text, p_hash bytea,
  p_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[],
  p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamptz[], p_start_timeouts integer[],
  p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[],
  p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[],
  p_late_children bigint[], p_late_parents bigint[], p_late_conditions smallint[],
  p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[],
  p_only_for_dependents boolean[], p_serves boolean[], p_paused boolean, p_on_complete text, p_on_complete_count smallint, p_answer jsonb, p_lanes bigint[], p_flows integer[],
  out o_result jsonb, out o_replayed_hash bytea, out o_ready integer[], out o_follow_ups bigint[]
) language plpgsql as $$
declare
  now_time timestamptz;
  ended_parents bigint[];
  ended_statuses smallint[];
  ended_children bigint[];
  ended_conditions smallint[];
  missing bigint;
  settled record;
  joined bigint[];
  joined_queues integer[];
  ready_queues integer[] := '{}';
  changes mp_changes;
  expected bigint;
  late_serves bigint[] := '{}';
  passed_over integer[] := '{}';
  attentive boolean;
  appended record;
begin
  select * into o_result, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_result is not null then return; end if;
  -- Kinds get a new shape of deduplication while no create is under way.
  perform pg_advisory_xact_lock_shared(7710, 2);

  if cardinality(p_late_parents) > 0 then
    perform mp_lock_tasks(p_late_parents, true);
    update task_state h set dependents = h.dependents + x.n, grown = true, prior_status = 0
    from (select p, count(*)::integer n from unnest(p_late_parents) p group by p) x where h.id = any (array[x.p]) and h.status < 6;
    select array_agg(x.parent order by x.n) filter (where h.status > 5), array_agg(h.status order by x.n) filter (where h.status > 5),
      array_agg(x.child order by x.n) filter (where h.status > 5), array_agg(x.condition order by x.n) filter (where h.status > 5),
      min(x.parent) filter (where h.id is null or t.id is null)
    into ended_parents, ended_statuses, ended_children, ended_conditions, missing
    from unnest(p_late_children, p_late_parents, p_late_conditions) with ordinality x(child, parent, condition, n)
      left join task_state h on h.id = any (array[x.parent]) left join task t on t.id = any (array[x.parent]) and t.namespace_id = p_namespace;
    if missing is not null then
      raise exception using errcode = 'MP003', message = 'no such parent', detail = missing::text;
    end if;
    -- Claims pass over parents that might start, while they are locked.
    select coalesce(array_agg(distinct x.child) filter (where h.only_for_dependents), '{}'), coalesce(array_agg(distinct h.queue) filter (where h.status = 2), '{}')
    into late_serves, passed_over from unnest(p_late_children, p_late_parents) x(child, parent) join task_state h on h.id = any (array[x.parent])
    where h.only_for_dependents or h.status = 2;
  end if;

  now_time := clock_timestamp();
  attentive := cardinality(late_serves) > 0 or coalesce(true = any (p_critical), false) or coalesce(true = any (p_only_for_dependents), false)
    or coalesce(true = any (p_serves), false) or 2 = any (p_executions) or exists (select from unnest(p_notifies) n where n <> 0);
  if p_new then
    insert into batch (id, namespace_id, create_time, name, metadata, on_complete) values (p_batch, p_namespace, now_time, p_name, p_metadata::jsonb, p_on_complete);
    insert into batch_state (batch_id, open, status, on_complete, attentive, limited)
    values (p_batch, p_open, case when p_paused then 2 else 1 end, p_on_complete_count, attentive, p_lanes is not null);
    if p_paused then
      insert into paused_batch (batch_id) values (p_batch);
    end if;
  end if;
  insert into task (id, batch_id, open_batch_id, create_time, expected_count, namespace_id, queue, key, name, parents, parent_conditions,
    children, child_conditions, metadata, input, spec)
  select x.id, p_batch, case when p_open then p_batch end, now_time, x.expected, p_namespace, x.queue, x.key, x.name, x.parents::bigint[],
    x.parent_conditions::smallint[], x.children::bigint[], x.child_conditions::smallint[], x.metadata::jsonb, x.input, x.spec
  from unnest(p_ids, p_queues, p_keys, p_names, p_metadatas, p_inputs, p_specs, p_expected, p_parents, p_parent_conditions, p_children, p_child_conditions)
    x(id, queue, key, name, metadata, input, spec, expected, parents, parent_conditions, children, child_conditions);
  insert into task_state (id, batch_id, start_time, end_time, deps_left, dependents, queue, start_timeout_ms, inactivity_timeout_ms, status, priority, execution,
    unmet_policy, cascades, retry_policy, execution_timeout_ms, total_timeout_ms, total_deadline, notifies, critical, only_for_dependents, serves, lane, flow)
  select x.id, p_batch, x.start_time, case when x.execution = 3 and x.status = 2 and coalesce(x.start_time <= now_time, true) then now_time end,
    x.deps_left, x.dependents, x.queue, x.start_timeout, x.inactivity_timeout,
    case when x.execution = 3 and x.status = 2 and coalesce(x.start_time <= now_time, true) then 6 else x.status end, x.priority, x.execution,
    x.unmet_policy, coalesce(x.cascades, false), x.policy, x.execution_timeout, x.total_timeout,
    now_time + x.total_timeout * interval '1 millisecond', coalesce(x.notifies, 0), coalesce(x.critical, false), coalesce(x.only_for_dependents, false),
    coalesce(x.serves, false) or x.id = any (late_serves), x.lane, x.flow
  from unnest(p_ids, p_start_times, p_deps_left, p_dependents, p_queues, p_start_timeouts, p_inactivity_timeouts, p_statuses, p_priorities, p_executions,
      p_unmet_policies, p_cascades, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical, p_only_for_dependents, p_serves, p_lanes, p_flows)
    x(id, start_time, deps_left, dependents, queue, start_timeout, inactivity_timeout, status, priority, execution,
      unmet_policy, cascades, policy, execution_timeout, total_timeout, notifies, critical, only_for_dependents, serves, lane, flow);
  if exists (select from unnest(p_total_timeouts) t where t is not null) then
    insert into timer (due, task_ids, attempts)
    select now_time + t * interval '1 millisecond', array_agg(id), array_agg(-1) from unnest(p_ids, p_total_timeouts) x(id, t) where t is not null group by t;
  end if;
  if exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(p_ids);
  end if;
  if 2 = any (p_statuses) then
    with free as materialized (
      select x.* from unnest(p_ids, p_queues, p_priorities, p_start_times, p_statuses, p_executions, p_lanes, p_flows) x(id, queue, priority, start_time, status, execution, lane, flow) where x.status = 2
    ), queued as (
      insert into ready (queue, rank, flow, id, lane) select queue, -priority, coalesce(flow, 0), id, lane from free where execution <> 3 and coalesce(start_time <= now_time, true) returning queue
    ), delayed as (
      insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(0) from free where start_time > now_time group by start_time
    )
    select coalesce((select array_agg(distinct queue) from queued), '{}'), array_agg(id) filter (where execution = 3 and coalesce(start_time <= now_time, true)),
      array_agg(queue) filter (where execution = 3 and coalesce(start_time <= now_time, true))
    into ready_queues, joined, joined_queues from free;
  end if;
  if cardinality(p_late_parents) > 0 then
    insert into edge_late (parent, child, condition) select * from unnest(p_late_parents, p_late_children, p_late_conditions);
  end if;

  changes := row(array_fill(1::smallint, array[cardinality(p_ids)]), array_fill(p_batch, array[cardinality(p_ids)]), p_ids,
    array_fill(0::smallint, array[cardinality(p_ids)]), p_statuses, array_fill(0, array[cardinality(p_ids)]), p_queues,
    array_fill(0, array[cardinality(p_ids)]), null, null);
  if p_new then
    changes := mp_concat(row(array[5::smallint], array[p_batch], array[0::bigint], array[0::smallint], array[(case when p_paused then 2 else 1 end)::smallint], array[0], array[0], array[0], null, null), changes);
  end if;
  if joined is not null then
    changes := mp_concat(changes, row(array_fill(2::smallint, array[cardinality(joined)]), array_fill(p_batch, array[cardinality(joined)]), joined,
      array_fill(2::smallint, array[cardinality(joined)]), array_fill(6::smallint, array[cardinality(joined)]), array_fill(0, array[cardinality(joined)]),
      joined_queues, array_fill(0, array[cardinality(joined)]), null, null));
  end if;
  if joined is not null or ended_parents is not null then
    select * into settled from mp_settle(coalesce(joined, '{}'), array_fill(6::smallint, array[coalesce(cardinality(joined), 0)]),
      ended_parents, ended_statuses, ended_children, ended_conditions, false, now_time, changes);
    changes := settled.p_changes;
    ready_queues := ready_queues || settled.o_ready;
  end if;

  select sum(e) into expected from unnest(p_expected) e;
  if not p_new then
    perform from batch_state b join batch on batch.id = b.batch_id
    where b.batch_id = p_batch and batch.namespace_id = p_namespace and b.open and b.status in (1, 2) for update of b;
    if not found then
      -- This very call, made at the same time and taken just now: it is made again, and answered.
      if p_request_id is not null and exists (select from request where namespace_id = p_namespace and request_id = p_request_id) then
        raise exception using errcode = 'serialization_failure', message = 'the request_id has been answered meanwhile';
      end if;
      if exists (select from batch where id = p_batch and namespace_id = p_namespace) then
        raise exception using errcode = 'MP002', message = 'batch is sealed';
      end if;
      raise exception using errcode = 'MP001', message = 'no such batch';
    end if;
    if attentive then
      update batch_state b set attentive = true where b.batch_id = p_batch and not b.attentive;
    end if;
    if p_lanes is not null then
      update batch_state b set limited = true where b.batch_id = p_batch and not b.limited;
    end if;
  end if;
  if expected is not null then
    update batch_state set expected_count = coalesce(expected_count, 0) + expected where batch_id = p_batch;
  end if;
  insert into batch_queue (queue, batch_id) select distinct q, p_batch from unnest(p_queues) q order by q on conflict do nothing;
  appended := mp_append_event(changes, array[p_batch]);
  o_follow_ups := appended.o_follow_ups;
  o_ready := ready_queues || passed_over || case when appended.o_wake then array[0] else '{}' end;
  select jsonb_build_object('batch', mp_batch_json(p_batch), 'moved', array_agg(x.id::text order by x.n), 'moved_to', array_agg(x.to_status order by x.n))
  into o_result from unnest(changes.task_ids, changes.types, changes.to_statuses) with ordinality x(id, type, to_status, n) where x.type in (2, 3, 7);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, o_result || jsonb_build_object('answer', p_answer));
end $$;
