-- Creates graphs of several calls, each in a batch of its own that is new, in one transaction. What needs more than rows to be written goes through mp_create:
-- parents that exist, joins without parents, deduplication, open batches that exist.
-- Arrays by graph: p_batches to p_attentive. Arrays by task, ordered so that parents stand before children: p_batch_ids to p_leases.
-- p_statuses: 1 with dependencies; 2: may start (when its start time comes); 4: takes the place of a waiting worker (p_workers, p_leases) at once.
-- p_open_batch_ids: the batch of a task, where that is open.
-- An array of which every value would be the usual one (null, false, 0) is null; so is an array by graph of request_ids, or of webhooks.
-- p_answers: what a repetition with the same request_id is told of the tasks.
-- Where one of the request_ids has been answered before, nothing is created, and o_answered holds those that have.
create function mp_create_graphs(
  p_namespace integer, p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[],
  p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[],
  p_request_ids text[], p_hashes bytea[], p_answers jsonb[],
  p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[],
  p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamptz[], p_start_timeouts integer[],
  p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[],
  p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[],
  p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[],
  p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[],
  out o_time timestamptz, out o_answered text[], out o_ready integer[]
) language plpgsql as $$
declare
  now_time timestamptz;
  started record;
  n_batches integer := cardinality(p_batches);
  n_tasks integer := cardinality(p_ids);
begin
  o_ready := '{}';
  if p_request_ids is not null then
    delete from request where namespace_id = p_namespace and request_id = any (p_request_ids) and create_time < now() - interval '24 hours';
    select array_agg(request_id) into o_answered from request where namespace_id = p_namespace and request_id = any (p_request_ids);
    if o_answered is not null then return; end if;
  end if;
  -- Kinds get a new shape of deduplication while no create is under way.
  perform pg_advisory_xact_lock_shared(7710, 2);

  now_time := clock_timestamp();
  o_time := now_time;
  insert into batch (id, namespace_id, create_time, name, metadata, on_complete)
  select x.id, p_namespace, now_time, x.name, x.metadata::jsonb, x.on_complete from unnest(p_batches, p_batch_names, p_batch_metadatas, p_on_completes) x(id, name, metadata, on_complete);
  insert into batch_state (batch_id, open, status, on_complete, attentive, total, waiting, running, pending, expected_count)
  select x.id, x.open, case when x.paused then 2 else 1 end, coalesce(x.on_complete, 0), coalesce(x.attentive, false), x.total, x.waiting, x.running,
    x.total - x.waiting - x.running, x.expected
  from unnest(p_batches, p_open, p_paused, p_on_complete_counts, p_attentive, p_totals, p_waiting, p_running, p_batch_expected)
    x(id, open, paused, on_complete, attentive, total, waiting, running, expected);
  if true = any (p_paused) then
    insert into paused_batch (batch_id) select x.id from unnest(p_batches, p_paused) x(id, paused) where x.paused;
  end if;
  insert into batch_queue (queue, batch_id) select distinct x.queue, x.batch_id from unnest(p_queues, p_batch_ids) x(queue, batch_id);
  insert into task (id, batch_id, open_batch_id, create_time, expected_count, namespace_id, queue, key, name, parents, parent_conditions,
    children, child_conditions, metadata, input, spec)
  select x.id, x.batch_id, x.open_batch_id, now_time, x.expected, p_namespace, x.queue, x.key, x.name, x.parents::bigint[],
    x.parent_conditions::smallint[], x.children::bigint[], x.child_conditions::smallint[], x.metadata::jsonb, x.input, x.spec
  from unnest(p_ids, p_batch_ids, p_open_batch_ids, p_queues, p_keys, p_names, p_metadatas, p_inputs, p_specs, p_expected, p_parents, p_parent_conditions, p_children, p_child_conditions)
    x(id, batch_id, open_batch_id, queue, key, name, metadata, input, spec, expected, parents, parent_conditions, children, child_conditions);
  insert into task_state (id, batch_id, start_time, lease_until, claim_time, run_time, activity_time, deps_left, dependents, queue, start_timeout_ms, inactivity_timeout_ms,
    status, prior_status, attempt, worker, priority, execution, unmet_policy, cascades, retry_policy, execution_timeout_ms, total_timeout_ms, total_deadline, notifies, critical,
    only_for_dependents, serves)
  select x.id, x.batch_id, x.start_time, now_time + x.lease * interval '1 millisecond', case when x.status = 4 then now_time end, case when x.status = 4 then now_time end,
    case when x.status = 4 then now_time end, x.deps_left, x.dependents, x.queue, x.start_timeout, x.inactivity_timeout,
    x.status, case when x.status = 4 then 2 else 0 end, case when x.status = 4 then 1 else 0 end, x.worker, x.priority, x.execution,
    x.unmet_policy, coalesce(x.cascades, false), x.policy, x.execution_timeout, x.total_timeout,
    now_time + x.total_timeout * interval '1 millisecond', coalesce(x.notifies, 0), coalesce(x.critical, false), coalesce(x.only_for_dependents, false),
    coalesce(x.serves, false)
  from unnest(p_ids, p_batch_ids, p_start_times, p_leases, p_deps_left, p_dependents, p_queues, p_start_timeouts, p_inactivity_timeouts, p_statuses, p_workers, p_priorities,
      p_executions, p_unmet_policies, p_cascades, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical, p_only_for_dependents, p_serves)
    x(id, batch_id, start_time, lease, deps_left, dependents, queue, start_timeout, inactivity_timeout, status, worker, priority, execution,
      unmet_policy, cascades, policy, execution_timeout, total_timeout, notifies, critical, only_for_dependents, serves);
  if p_total_timeouts is not null then
    insert into timer (due, task_ids, attempts)
    select now_time + t * interval '1 millisecond', array_agg(id), array_agg(-1) from unnest(p_ids, p_total_timeouts) x(id, t) where t is not null group by t;
  end if;
  if exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(p_ids);
  end if;
  if p_start_times is not null then
    insert into timer (due, task_ids, attempts)
    select x.start_time, array_agg(x.id), array_agg(0) from unnest(p_ids, p_start_times, p_statuses) x(id, start_time, status) where x.status = 2 and x.start_time > now_time group by x.start_time;
  end if;
  if 2 = any (p_statuses) then
    with queued as (
      insert into ready (queue, rank, id)
      select x.queue, -x.priority, x.id from unnest(p_ids, p_queues, p_priorities, p_start_times, p_statuses) x(id, queue, priority, start_time, status)
      where x.status = 2 and coalesce(x.start_time <= now_time, true) returning queue
    )
    select coalesce(array_agg(distinct queue), '{}') into o_ready from queued;
  end if;
  if p_workers is not null then
    select array_agg(x.id) as ids, array_agg(x.batch_id) as batch_ids, array_agg(x.queue) as queues, array_agg(x.worker) as workers, count(*)::integer as n,
      min(least(x.lease, x.inactivity_timeout, x.execution_timeout)) as due_ms
    into started from unnest(p_ids, p_batch_ids, p_queues, p_workers, p_leases, p_inactivity_timeouts, p_execution_timeouts)
      x(id, batch_id, queue, worker, lease, inactivity_timeout, execution_timeout) where x.worker is not null;
    insert into timer (due, task_ids, attempts) values (now_time + started.due_ms * interval '1 millisecond', started.ids, array_fill(1, array[started.n]));
  else
    select null::bigint[] as ids, null::bigint[] as batch_ids, null::integer[] as queues, null::integer[] as workers, 0 as n into started;
  end if;
  -- The last act, as mp_append_event does it: the batches, the tasks, and what started.
  insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers)
  values (nextval('event_seq'), clock_timestamp(),
    array_fill(5::smallint, array[n_batches]) || array_fill(1::smallint, array[n_tasks]) || array_fill(2::smallint, array[started.n]),
    p_batches || p_batch_ids || started.batch_ids, array_fill(0::bigint, array[n_batches]) || p_ids || started.ids,
    array_fill(0::smallint, array[n_batches + n_tasks]) || array_fill(2::smallint, array[started.n]),
    (select array_agg(case when x then 2 else 1 end)::smallint[] from unnest(p_paused) x)
      || case when started.n = 0 then p_statuses else array_replace(p_statuses, 4::smallint, 2::smallint) end || array_fill(4::smallint, array[started.n]),
    array_fill(0, array[n_batches + n_tasks]) || array_fill(1, array[started.n]), array_fill(0, array[n_batches]) || p_queues || started.queues,
    array_fill(0, array[n_batches + n_tasks]) || started.workers);
  if p_request_ids is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    select p_namespace, x.request_id, now(), x.hash, jsonb_build_object('batch', mp_batch_json(x.batch_id), 'answer', x.answer, 'moved', m.ids, 'moved_to', m.statuses)
    from unnest(p_batches, p_request_ids, p_hashes, p_answers) x(batch_id, request_id, hash, answer)
      left join lateral (
        select jsonb_agg(s.id::text) as ids, jsonb_agg(4) as statuses from unnest(started.ids, started.batch_ids) s(id, batch_id) where s.batch_id = x.batch_id
      ) m on true
    where x.request_id is not null;
  end if;
end $$;
