-- Lets tasks that are PENDING start: now, by their place in ready, or when their start time comes, by a timer. Answers the queues that have something now.
create or replace function mp_enqueue(p_ids bigint[], p_time timestamptz) returns integer[] language plpgsql as $$
declare
  queues integer[];
  soonest timestamptz;
begin
  with free as materialized (
    select h.id, h.queue, h.priority, h.start_time, h.attempt, h.lane, coalesce(h.flow, 0) as flow from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]) where h.status = 2
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, -priority, flow, id, lane from free where coalesce(start_time <= p_time, true) on conflict do nothing
  ), delayed as (
    insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(attempt) from free where start_time > p_time group by start_time
  )
  select array_agg(distinct queue) filter (where coalesce(start_time <= p_time, true)), min(start_time) filter (where start_time > p_time) into queues, soonest from free;
  if soonest is not null then
    perform mp_tell_timers(soonest);
  end if;
  return coalesce(queues, '{}');
end $$;
