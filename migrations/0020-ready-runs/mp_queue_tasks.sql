-- Puts tasks that may start into their queues: those with consecutive ids of one queue and rank as rows of ready_run, of at most a hundred tasks each, the others one by one. Answers the queues.
-- p_queues, p_ranks: one element counts for all. p_alone: those with rules, a fairness_key or a start time are one by one, as are all of queues in which tasks take turns; null: none.
-- p_flows, p_lanes: of ready; null where no task has one.
create function mp_queue_tasks(p_ids bigint[], p_queues integer[], p_ranks smallint[], p_alone boolean[], p_flows integer[], p_lanes bigint[]) returns integer[] language plpgsql as $$
declare
  size constant integer := cardinality(p_ids);
  run_max constant integer := 100;
  queues integer[];
  span record;
begin
  if size = 1 then
    insert into ready (queue, rank, flow, id, lane) values (p_queues[1], p_ranks[1], coalesce(p_flows[1], 0), p_ids[1], p_lanes[1]) on conflict do nothing;
    return p_queues[1:1];
  end if;
  if p_alone is null and cardinality(p_queues) = 1 and cardinality(p_ranks) = 1 and not exists (select from fair_queue f where f.queue = p_queues[1]) then
    select min(x.id) as first, max(x.id) as last into span from unnest(p_ids) x(id);
    if span.last - span.first = size - 1 and not exists (select from ready_run r where r.queue = p_queues[1] and r.rank = p_ranks[1] and r.id between span.first and span.last) then
      insert into ready_run (queue, rank, id, tasks)
      select p_queues[1], p_ranks[1], span.first + n, least(run_max, size - n) from generate_series(0, size - 1, run_max) n;
      return p_queues;
    end if;
  end if;
  queues := p_queues;
  p_queues := mp_fill(p_queues, size);
  p_ranks := mp_fill(p_ranks, size);
  with run as materialized (
    select x.queue, x.rank, min(x.id) as id, count(*)::integer as tasks, exists (select from fair_queue f where f.queue = x.queue) as is_fair from (
      select t.queue, t.rank, t.id, row_number() over (partition by t.queue, t.rank order by t.id) - 1 as n
      from (select unnest(p_ids) as id, unnest(p_queues) as queue, unnest(p_ranks) as rank, unnest(p_alone) as alone) t where t.alone is not true
    ) x group by x.queue, x.rank, x.id - x.n, x.n / run_max
  ), kept as (
    insert into ready_run (queue, rank, id, tasks) select queue, rank, id, tasks from run where tasks > 1 and not is_fair on conflict do nothing returning queue, rank, id
  )
  insert into ready (queue, rank, flow, id, lane)
  select r.queue, r.rank, 0, r.id + n, null from run r cross join lateral generate_series(0, r.tasks - 1) n where ((r.queue, r.rank, r.id) in (select k.queue, k.rank, k.id from kept k)) is not true
  union all
  select t.queue, t.rank, coalesce(t.flow, 0), t.id, t.lane
  from (select unnest(p_ids) as id, unnest(p_queues) as queue, unnest(p_ranks) as rank, unnest(p_alone) as alone, unnest(p_flows) as flow, unnest(p_lanes) as lane) t where t.alone
  on conflict do nothing;
  return array(select distinct q from unnest(queues) q);
end $$;
