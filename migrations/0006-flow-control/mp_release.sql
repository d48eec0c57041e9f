-- Gives back attempts that were claimed for somebody who has not been told: PENDING again, and not counted among the attempts that a task may use.
create function mp_release(p_ids bigint[], p_attempts integer[], out o_ready integer[]) language plpgsql as $$
declare
  moved record;
begin
  with u as (
    update task_state h set status = 2, prior_status = h.status, released = h.released + 1, worker = null, claim_time = null, run_time = null, activity_time = null, lease_until = null
    from unnest(p_ids, p_attempts) x(id, attempt) where h.id = any (array[x.id]) and h.attempt = x.attempt and h.status in (3, 4)
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.priority, h.lane, coalesce(h.flow, 0) as flow
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, -priority, flow, id, lane from u on conflict do nothing
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(2::smallint) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u;
  o_ready := array(select distinct q from unnest(moved.queues) q);
  if moved.ids is null then return; end if;
  perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
end $$;
