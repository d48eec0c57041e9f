-- Extends leases of several workers, a sign of life; never shortens one. In the order of ids. Answers those that it extended.
create function mp_keep_leases(p_ids bigint[], p_attempts integer[], p_workers integer[], p_lease_ms integer)
returns table (o_task_id bigint, o_attempt integer, o_lease_until timestamptz) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
begin
  return query update task_state h set lease_until = greatest(h.lease_until, now_time + p_lease_ms * interval '1 millisecond'), activity_time = now_time, prior_status = 0
  from unnest(p_ids, p_attempts, p_workers) x(id, attempt, worker)
  where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt and h.worker = x.worker
  returning h.id, h.attempt, h.lease_until;
end $$;
