-- ResumeTasks: lets held tasks go: WAITING or PENDING, as their dependencies stand; a join that has nothing to wait for succeeds. Answers those that it
-- let go. A request_id that has been answered gets that answer again, with its hash.
create function mp_resume_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[],
  out o_taken bigint[], out o_refused bigint[], out o_refused_statuses smallint[], out o_ready integer[], out o_follow_ups bigint[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  earlier jsonb;
  now_time timestamptz;
  moved record;
  settled record;
  appended record;
  changes mp_changes;
begin
  o_ready := '{}';
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    return;
  end if;
  perform from task_state h where h.id = any (p_ids) and h.status = 5 order by h.id for update;
  now_time := clock_timestamp();
  with u as (
    update task_state h set prior_status = 5,
      status = case when h.deps_left > 0 then 1 when h.execution = 3 and coalesce(h.start_time <= now_time, true) then 6 else 2 end,
      end_time = case when h.deps_left = 0 and h.execution = 3 and coalesce(h.start_time <= now_time, true) then now_time end
    where h.id = any (p_ids) and h.status = 5
    returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.dependents
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(5::smallint) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers, array_agg(id) filter (where status = 2) pending,
    array_agg(id) filter (where status = 6 and dependents > 0) ended into moved from u;
  o_taken := coalesce(moved.ids, '{}');
  if moved.ids is not null then
    changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
    if moved.pending is not null then
      o_ready := mp_enqueue(moved.pending, now_time);
    end if;
    if moved.ended is not null then
      settled := mp_settle(moved.ended, array_fill(6::smallint, array[cardinality(moved.ended)]), '{}', '{}', '{}', '{}', false, now_time, changes);
      changes := settled.p_changes;
      o_ready := o_ready || settled.o_ready;
    end if;
    appended := mp_append_event(changes);
    o_follow_ups := appended.o_follow_ups;
    if appended.o_wake then o_ready := o_ready || 0; end if;
  end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}') into o_refused, o_refused_statuses from mp_refused(p_ids, o_taken) r;
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('taken', o_taken::text[], 'refused', o_refused::text[], 'statuses', o_refused_statuses));
end $$;
