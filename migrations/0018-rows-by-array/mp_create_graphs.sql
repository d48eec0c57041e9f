-- Creates graphs of several calls, each in a batch of its own that is new, in one transaction. What needs more than rows to be written goes through mp_create:
-- parents that exist, joins without parents, deduplication, open batches that exist.
-- Arrays by graph: p_batches to p_attentive, and p_limited: a task of it has rules. Arrays by task, ordered so that parents stand before children: p_batch_ids to p_leases, p_lanes and p_flows.
-- p_statuses: 1 with dependencies; 2: may start (when its start time comes); 4: takes the place of a waiting worker (p_workers, p_leases) at once.
-- p_open_batch_ids: the batch of a task, where that is open.
-- An array of which every value would be the usual one (null, false, 0) is null; so is an array by graph of request_ids, or of webhooks.
-- Of p_batch_ids, p_queues to p_priorities, p_start_timeouts to p_dependents, p_workers and p_leases, the last value stands for all that follow.
-- p_answers: what a repetition with the same request_id is told of the tasks.
-- Where one of the request_ids has been answered before, nothing is created, and o_answered holds those that have.
-- Tasks with rules take places as a claim takes tasks where there seems to be plenty of room: their keys are looked at last. Raises MP006 where there does not seem to be (mp_are_roomy),
-- or anything is blocked, so that nobody is passed by; and where there turns out to be none. Then it is to be called again, with places for tasks without rules only.
create or replace function mp_create_graphs(
  p_namespace integer,
  p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[],
  p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[],
  p_request_ids text[], p_hashes bytea[], p_answers jsonb[],
  p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[],
    p_keys text[], p_names text[],
  p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamptz[], p_start_timeouts integer[],
  p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[],
  p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[],
  p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[],
  p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[],
  p_lanes bigint[], p_flows integer[], p_limited boolean[],
  out o_time timestamptz, out o_answered text[], out o_ready integer[]
) language plpgsql as $$
declare
  n integer := cardinality(p_ids);
  lanes bigint[];
  tight bigint[];
begin
  select b.o_answered, b.o_time into o_answered, o_time from mp_begin_graphs(p_namespace, p_request_ids) b;
  if o_answered is not null then return; end if;
  if n > 1 then
    p_batch_ids := mp_fill(p_batch_ids, n);
    p_queues := mp_fill(p_queues, n);
    p_statuses := mp_fill(p_statuses, n);
    p_workers := mp_fill(p_workers, n);
  end if;
  if p_lanes is not null and p_workers is not null then
    lanes := array(select x.lane from unnest(p_workers, p_lanes) x(worker, lane) where x.worker is not null and x.lane is not null);
    if lanes <> '{}' and (exists (select from blocked) or not mp_are_roomy(lanes)) then
      raise exception using errcode = 'MP006', message = 'a rule may have no room';
    end if;
  end if;
  tight := mp_tight_of_pending(p_statuses, p_lanes);
  o_ready := mp_write_tasks(p_namespace, o_time, p_ids, p_batch_ids, p_open_batch_ids, p_queues, p_executions, p_statuses, p_priorities, p_keys, p_names,
    p_metadatas, p_inputs, p_specs, p_expected, p_start_times, p_start_timeouts, p_inactivity_timeouts, p_unmet_policies, p_deps_left, p_dependents,
    p_cascades, p_parents, p_parent_conditions, p_children, p_child_conditions, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical,
    p_only_for_dependents, p_serves, p_workers, p_leases, p_lanes, p_flows, tight);
  perform mp_write_batches(p_namespace, o_time, p_batches, p_batch_names, p_batch_metadatas, p_open, p_paused, p_on_completes, p_on_complete_counts, p_totals,
    p_waiting, p_running, p_batch_expected, p_attentive, p_request_ids, p_hashes, p_answers,
    p_ids, p_batch_ids, p_queues, p_statuses, p_workers, p_limited, p_lanes, tight);
end $$;
