-- Holds the rows of ready_run in which the first p_max tasks of some queues stand, by rank and id, and no others; passes over those that somebody else holds.
-- p_rank, p_id: only those behind this row.
-- o_befores: how many tasks are in the rows before it.
create function mp_hold_runs(p_queues integer[], p_max integer, p_rank smallint, p_id bigint,
  out o_places tid[], out o_queues integer[], out o_ranks smallint[], out o_ids bigint[], out o_tasks integer[], out o_befores integer[], out o_total integer)
language plpgsql as $$
declare
  look integer := 8;
  head record;
  each record;
  place tid;
  n integer;
begin
  loop
    select array_agg(r.queue order by r.rank, r.id) as queues, array_agg(r.rank order by r.rank, r.id) as ranks, array_agg(r.id order by r.rank, r.id) as ids, max(r.n) as deepest into head from (
      select r.*, sum(r.tasks) over (order by r.rank, r.id) - r.tasks as before, row_number() over (partition by r.queue order by r.rank, r.id) as n
      from unnest(p_queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.id, r.tasks from ready_run r where r.queue = q.queue and (r.rank, r.id) > (p_rank, p_id) order by r.rank, r.id limit look) r
    ) r where r.before < p_max;
    -- Of a queue of which all that was looked at is wanted, more may be.
    exit when look >= p_max or head.deepest is null or head.deepest < look;
    look := p_max;
  end loop;
  if head.ids is null then return; end if;
  select array_agg(r.place order by x.n), array_agg(x.queue order by x.n), array_agg(x.rank order by x.n), array_agg(x.id order by x.n), array_agg(r.tasks order by x.n)
  into o_places, o_queues, o_ranks, o_ids, o_tasks
  from unnest(head.queues, head.ranks, head.ids) with ordinality x(queue, rank, id, n) cross join lateral (
    select q.ctid as place, q.tasks from ready_run q where q.queue = x.queue and q.rank = x.rank and q.id = x.id offset 0 for update skip locked) r;
  if cardinality(o_ids) is distinct from cardinality(head.ids) then
    -- Somebody else holds some of them: what is behind, one by one.
    o_places := '{}'; o_queues := '{}'; o_ranks := '{}'; o_ids := '{}'; o_tasks := '{}';
    o_total := 0;
    for each in
      select r.* from unnest(p_queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.id from ready_run r where r.queue = q.queue and (r.rank, r.id) > (p_rank, p_id) order by r.rank, r.id limit look + 500) r order by r.rank, r.id
    loop
      exit when o_total >= p_max;
      select q.ctid, q.tasks into place, n from ready_run q where q.queue = each.queue and q.rank = each.rank and q.id = each.id for update skip locked;
      continue when not found;
      o_places := o_places || place;
      o_queues := o_queues || each.queue;
      o_ranks := o_ranks || each.rank;
      o_ids := o_ids || each.id;
      o_tasks := o_tasks || n;
      o_total := o_total + n;
    end loop;
    o_ids := nullif(o_ids, '{}');
  end if;
  select array_agg(x.before order by x.n), sum(x.tasks) into o_befores, o_total
  from (select t.tasks, t.n, (sum(t.tasks) over (order by t.n))::integer - t.tasks as before from unnest(o_tasks) with ordinality t(tasks, n)) x;
end $$;
