-- As mp_write_batches, where it is not known which lanes are tight, or was some time ago: the end of a large graph that came in parts.
create or replace function mp_finish_graphs(
  p_namespace integer, p_time timestamptz,
  p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[],
  p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[],
  p_request_ids text[], p_hashes bytea[], p_answers jsonb[],
  p_ids bigint[], p_batch_ids bigint[], p_queues integer[], p_statuses smallint[], p_workers integer[], p_limited boolean[], p_lanes bigint[]
) returns void language plpgsql as $$
begin
  perform mp_write_batches(
    p_namespace, p_time, p_batches, p_batch_names, p_batch_metadatas, p_open, p_paused, p_on_completes, p_on_complete_counts, p_totals, p_waiting,
    p_running, p_batch_expected, p_attentive, p_request_ids, p_hashes, p_answers, p_ids, p_batch_ids, p_queues, p_statuses, p_workers, p_limited,
    p_lanes, mp_tight_of_pending(p_statuses, p_lanes));
end $$;
