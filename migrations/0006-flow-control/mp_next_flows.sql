-- Who has something in some queues at a rank, in the order of turns: from p_start on, then the others from the first on; at most so many. n: 1 for the first.
-- Loose index scans, from each flow to the next one: what is behind a flow's first task is not looked at.
create function mp_next_flows(p_queues integer[], p_rank smallint, p_start integer, p_max integer) returns table (flow integer, n integer) language sql stable as $$
  with recursive up as (
    select x.flow, 1 as n from (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow >= p_start order by r.flow limit 1) r
    ) x where x.flow is not null
    union all
    select x.flow, up.n + 1 from up cross join lateral (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow > up.flow order by r.flow limit 1) r
    ) x where x.flow is not null and up.n < p_max
  ), above as materialized (
    select count(*)::integer as n from up
  ), down as (
    select x.flow, above.n + 1 as n from above cross join lateral (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow < p_start order by r.flow limit 1) r
    ) x where x.flow is not null and above.n < p_max
    union all
    select x.flow, down.n + 1 from down cross join lateral (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow > down.flow and r.flow < p_start order by r.flow limit 1) r
    ) x where x.flow is not null and down.n < p_max
  )
  select up.flow, up.n from up union all select down.flow, down.n from down
$$;
