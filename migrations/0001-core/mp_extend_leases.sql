-- Extends leases that p_worker holds, a sign of life; never shortens one. Answers those that it extended.
create function mp_extend_leases(p_ids bigint[], p_attempts integer[], p_worker integer, p_lease_ms integer)
returns table (o_task_id bigint, o_lease_until timestamptz) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
begin
  return query update task_state h set lease_until = greatest(h.lease_until, now_time + p_lease_ms * interval '1 millisecond'), activity_time = now_time, prior_status = 0
  from unnest(p_ids, p_attempts) x(id, attempt)
  where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt and h.worker = p_worker
  returning h.id, h.lease_until;
end $$;
