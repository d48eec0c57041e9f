-- PauseTasks: holds tasks that are WAITING or PENDING. Answers those that are held now, also those that were before. A request_id that has been
-- answered gets that answer again, with its hash.
create function mp_pause_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], out o_taken bigint[], out o_refused bigint[], out o_refused_statuses smallint[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  earlier jsonb;
  moved record;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    return;
  end if;
  select coalesce(array_agg(id), '{}') into o_taken from (
    select h.id from task_state h where h.id = any (p_ids) and h.status in (1, 2, 5) order by h.status in (1, 5), h.id for update
  ) locked;
  perform mp_dequeue(array(select h.id from task_state h where h.id = any (o_taken) and h.status = 2));
  with u as (
    update task_state h set status = 5, prior_status = h.status where h.id = any (o_taken) and h.status in (1, 2)
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(5::smallint) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u;
  if moved.ids is not null then
    perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
  end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}') into o_refused, o_refused_statuses from mp_refused(p_ids, o_taken) r;
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('taken', o_taken::text[], 'refused', o_refused::text[], 'statuses', o_refused_statuses));
end $$;
