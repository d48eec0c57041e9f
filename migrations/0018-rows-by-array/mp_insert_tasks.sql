-- As mp_write_tasks, where it is not known yet which lanes are tight: a part of a large graph.
create or replace function mp_insert_tasks(
  p_namespace integer, p_time timestamptz,
  p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[],
  p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamptz[], p_start_timeouts integer[],
  p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[],
  p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[],
  p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[],
  p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[], p_lanes bigint[], p_flows integer[],
  out o_ready integer[]
) language plpgsql as $$
begin
  o_ready := mp_write_tasks(
    p_namespace, p_time, p_ids, p_batch_ids, p_open_batch_ids, p_queues, p_executions, p_statuses, p_priorities, p_keys, p_names, p_metadatas,
    p_inputs, p_specs, p_expected, p_start_times, p_start_timeouts, p_inactivity_timeouts, p_unmet_policies, p_deps_left, p_dependents, p_cascades,
    p_parents, p_parent_conditions, p_children, p_child_conditions, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical,
    p_only_for_dependents, p_serves, p_workers, p_leases, p_lanes, p_flows, mp_tight_of_pending(mp_fill(p_statuses, cardinality(p_ids)), p_lanes));
end $$;
