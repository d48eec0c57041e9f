-- CancelTasks: one transaction for all of them. A request_id that has been answered gets that answer again, with its hash.
create function mp_cancel_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], p_reason text,
  out o_taken bigint[], out o_ready integer[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  canceled record;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    return;
  end if;
  select * into canceled from mp_cancel(p_ids, p_reason, false, clock_timestamp(), null::mp_changes);
  o_taken := canceled.o_ids;
  o_ready := canceled.o_ready;
  perform mp_append_event(canceled.p_changes);
  if p_request_id is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    values (p_namespace, p_request_id, now(), p_hash, jsonb_build_object('taken', o_taken::text[]));
  end if;
end $$;
