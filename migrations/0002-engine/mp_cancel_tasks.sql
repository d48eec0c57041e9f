-- CancelTasks: one transaction for all of them. A request_id that has been answered gets that answer again, with its hash.
create function mp_cancel_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], p_reason text,
  out o_taken bigint[], out o_refused bigint[], out o_refused_statuses smallint[], out o_ready integer[], out o_follow_ups bigint[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  canceled record;
  appended record;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    return;
  end if;
  canceled := mp_cancel(p_ids, p_reason, false, clock_timestamp(), null::mp_changes);
  o_taken := canceled.o_ids;
  o_ready := canceled.o_ready;
  appended := mp_append_event(canceled.p_changes);
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}') into o_refused, o_refused_statuses from mp_refused(p_ids, o_taken) r;
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('taken', o_taken::text[], 'refused', o_refused::text[], 'statuses', o_refused_statuses));
end $$;
