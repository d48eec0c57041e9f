-- Lets leases of workers whose stream is lost run out after p_ms, where that is sooner, unless anybody has extended them since p_lease_untils. In the order of ids.
create function mp_shorten_leases(p_ids bigint[], p_attempts integer[], p_lease_untils timestamptz[], p_ms integer) returns integer language plpgsql as $$
declare
  cut_time timestamptz := clock_timestamp() + p_ms * interval '1 millisecond';
  shortened integer;
begin
  with u as (
    update task_state h set lease_until = cut_time, prior_status = 0
    from unnest(p_ids, p_attempts, p_lease_untils) x(id, attempt, lease_until)
    where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt and h.lease_until = x.lease_until and h.lease_until > cut_time
    returning h.id, h.attempt
  ), watched as (
    insert into timer (due, task_ids, attempts) select cut_time, array_agg(id), array_agg(attempt) from u having count(*) > 0
  )
  select count(*) into shortened from u;
  return shortened;
end $$;
