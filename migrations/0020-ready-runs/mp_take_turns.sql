-- Takes up to p_max tasks out of queues of which tasks have a fairness_key, highest priority first. Of one priority, namespaces take turns by their weights, and so do within a
-- namespace those who share it (flows), each in the order of creation: deficit round robin (Shreedhar and Varghese, 1995) with tasks as units. Who has nothing
-- to start saves up nothing; whose turn it is costs as much as is taken, however many wait.
-- p_turns, o_turns: by rank, where the last claim stopped: the namespace and what it has taken of its turn, and by namespace the same of flows. Each server keeps its own.
-- By rank, for whoever is urgent now and then must not decide whose turn it is among the others.
-- Tasks that somebody else holds are passed over. o_more: there may be more.
create or replace function mp_take_turns(p_queues integer[], p_max integer, p_turns jsonb, out o_ids bigint[], out o_lanes bigint[], out o_turns jsonb, out o_more boolean) language plpgsql as $$
declare
  -- Of more ranks than this, nothing is known of what was before.
  ranks_max constant integer := 100;
  the_rank smallint;
  -- Where the last claim stopped at this rank.
  at_rank jsonb;
  lowest integer := -32768;
  wide integer := 1;
  want integer := p_max;
  got record;
begin
  o_turns := coalesce(p_turns, '{}');
  o_more := true;
  for look in 1 .. 50 loop
    exit when want = 0;
    perform mp_open_runs(p_queues, want * wide, lowest);
    select min(r.rank) into the_rank from unnest(p_queues) q(queue) cross join lateral (
      select r.rank from ready r where r.queue = q.queue and r.rank >= lowest order by r.rank limit 1) r;
    if the_rank is null then
      o_more := false;
      exit;
    end if;
    at_rank := coalesce(o_turns -> the_rank::text, '{"flows": {}}');
    with space as materialized (
      select s.id, s.weight, s.queues, case when s.is_on then (at_rank ->> 'spent')::integer else 0 end as spent,
        row_number() over (order by s.id < s.first, s.id) as n, coalesce(at_rank -> 'flows' -> s.id::text, '[0, 0]') as turn
      from (
        select s.*, s.is_at and (at_rank ->> 'spent')::integer < s.weight as is_on,
          max(case when s.is_at then s.id + case when (at_rank ->> 'spent')::integer < s.weight then 0 else 1 end else 0 end) over () as first
        from (
          select m.id, m.weight, array_agg(q.id) as queues, m.id = coalesce((at_rank ->> 'space')::integer, 0) as is_at
          from unnest(p_queues) x(id) join queue q on q.id = any (array[x.id]) join namespace m on m.id = q.namespace_id group by m.id, m.weight
        ) s
      ) s
    ), member as materialized (
      select s.*, f.flow, f.n as flow_n, coalesce(w.weight, 1) as flow_weight,
        case when f.flow = (s.turn ->> 0)::integer and f.flow = s.first then (s.turn ->> 1)::integer else 0 end as flow_spent,
        sum(coalesce(w.weight, 1)) over (partition by s.id) as weights
      from (
        select s.*, (s.turn ->> 0)::integer + case when (s.turn ->> 1)::integer < coalesce((select f.weight from flow f where f.id = (s.turn ->> 0)::integer), 1) then 0 else 1 end as first
        from space s
      ) s cross join lateral mp_next_flows(s.queues, the_rank, s.first, want * wide) f left join flow w on w.id = f.flow
    ), candidate as materialized (
      select m.id as space, m.n as space_n, m.weight, m.spent, m.flow, m.flow_n, m.flow_weight, r.queue, r.id,
        row_number() over (partition by m.id, m.flow order by r.id) - 1 + m.flow_spent as flow_place
      from member m cross join lateral (
        select r.queue, r.id from unnest(m.queues) q(queue) cross join lateral (
          select r.queue, r.id from ready r where r.queue = q.queue and r.rank = the_rank and r.flow = m.flow
          order by r.id limit m.flow_weight * ((want + m.weights - 1) / m.weights) * wide
        ) r order by r.id limit m.flow_weight * ((want + m.weights - 1) / m.weights) * wide
      ) r
    ), placed as (
      select c.*, row_number() over (partition by c.space order by c.flow_place / c.flow_weight, c.flow_n, c.flow_place) - 1 + c.spent as space_place from candidate c
    ), head as materialized (
      select p.*, row_number() over (order by p.space_place / p.weight, p.space_n, p.space_place) as n from placed p order by n limit want * wide
    ), free as materialized (
      select head.*, h.lane from head join task_state h on h.id = any (array[head.id]) where h.status = 2 limit want for update of h skip locked
    ), gone as (
      delete from ready where ctid = any (array(
        select r.place from free cross join lateral (
          select q.ctid as place from ready q where q.queue = free.queue and q.rank = the_rank and q.flow = free.flow and q.id = free.id offset 0) r)) returning id
    )
    select array_agg(t.id order by t.n) as ids, array_agg(t.lane order by t.n) as lanes, (select array_agg(id) from gone) as removed, (select count(*) from head) as heads,
      (select jsonb_build_object('space', l.space, 'spent', l.space_place % l.weight + 1) from free l order by l.n desc limit 1) as turn,
      (select jsonb_object_agg(l.space, jsonb_build_array(l.flow, l.flow_place % l.flow_weight + 1)) from (
        select distinct on (t.space) t.* from free t order by t.space, t.n desc) l) as flows
    into got from free t;
    if got.ids is null and got.heads > 0 and wide >= 64 then
      -- They hold very many. Nothing of less priority comes before what is free, whoever's turn it is.
      with free as materialized (
        select r.queue, r.flow, h.id, h.lane from unnest(p_queues) q(queue) cross join lateral (
          select r.queue, r.flow, r.id from ready r where r.queue = q.queue and r.rank = the_rank order by r.flow, r.id offset 0) r
          join task_state h on h.id = any (array[r.id]) where h.status = 2 limit want for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(
          select r.place from free cross join lateral (
            select q.ctid as place from ready q where q.queue = free.queue and q.rank = the_rank and q.flow = free.flow and q.id = free.id offset 0) r)) returning id
      )
      select array_agg(id) as ids, array_agg(lane) as lanes, (select array_agg(id) from gone) as removed, 0::bigint as heads, at_rank - 'flows' as turn, '{}'::jsonb as flows into got from free;
    end if;
    if cardinality(got.removed) is distinct from cardinality(got.ids) then
      -- A row that was seen may be gone, of a task that has been claimed and queued again meanwhile.
      select array_agg(x.id order by x.n) as ids, array_agg(x.lane order by x.n) as lanes, got.heads, got.turn, got.flows into got
      from unnest(got.ids, got.lanes) with ordinality x(id, lane, n) where x.id in (select unnest(got.removed));
    end if;
    if got.ids is null then
      -- Others hold the heads: what is behind them may be free.
      if got.heads > 0 then
        wide := least(wide * 8, 64);
      else
        lowest := the_rank + 1;
        wide := 1;
      end if;
      continue;
    end if;
    o_ids := o_ids || got.ids;
    o_lanes := o_lanes || got.lanes;
    if not o_turns ? the_rank::text and (select count(*) from jsonb_object_keys(o_turns)) >= ranks_max then
      o_turns := '{}';
    end if;
    o_turns := o_turns || jsonb_build_object(the_rank, got.turn || jsonb_build_object('flows', (at_rank -> 'flows') || got.flows));
    want := want - cardinality(got.ids);
    wide := 1;
  end loop;
end $$;
