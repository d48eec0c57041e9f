-- Takes tasks out of the rows of ready_run in which they stand; what is left of a row is as many rows as there are stretches. The caller holds these tasks, and may wait here for a claim, which takes the
-- others of a row and leaves these in ready. Claims find none of a row until the caller commits; then servers are told.
create function mp_leave_runs(p_ids bigint[]) returns void language plpgsql as $$
declare
  -- As mp_queue_tasks makes them.
  run_max constant integer := 100;
  ids bigint[] := p_ids;
  -- The tasks that stand in rows, and their rows.
  found_in record;
begin
  while ids <> '{}' and exists (select from ready_run) loop
    select array_agg(h.id) as ids, array_agg(r.queue) as queues, array_agg(r.rank) as ranks, array_agg(r.id) as firsts, array_agg(r.tasks) as tasks into found_in
    from unnest(ids) x(id) join task_state h on h.id = any (array[x.id]) cross join lateral (
      select q.queue, q.rank, q.id, q.tasks from ready_run q where q.queue = h.queue and q.rank = -h.priority and q.id > h.id - run_max and q.id <= h.id order by q.id desc limit 1) r
    where h.id < r.id + r.tasks;
    exit when found_in.ids is null;
    perform mp_tell_queues(found_in.queues);
    with held as materialized (
      -- As they were found: others may have taken tasks out of a row meanwhile, of which the first is still there.
      select r.place from (
        select distinct x.queue, x.rank, x.first, x.tasks from unnest(found_in.queues, found_in.ranks, found_in.firsts, found_in.tasks) x(queue, rank, first, tasks) order by x.queue, x.rank, x.first
      ) x cross join lateral (select q.ctid as place from ready_run q where q.queue = x.queue and q.rank = x.rank and q.id = x.first and q.tasks = x.tasks offset 0 for update) r
    ), gone as (
      delete from ready_run where ctid = any (array(select place from held)) returning queue, rank, id
    ), leaving as materialized (
      -- "is true" has it hashed. A row that is gone meanwhile has been taken by a claim.
      select x.*, ((x.queue, x.rank, x.first) in (select g.queue, g.rank, g.id from gone g)) is true as has_left
      from unnest(found_in.ids, found_in.queues, found_in.ranks, found_in.firsts, found_in.tasks) x(id, queue, rank, first, tasks)
    ), kept as (
      insert into ready_run (queue, rank, id, tasks)
      select s.queue, s.rank, s.id, s.tasks from (
        select l.queue, l.rank, coalesce(lag(l.id) over w + 1, l.first) as id, (l.id - coalesce(lag(l.id) over w + 1, l.first))::integer as tasks
        from leaving l where l.has_left window w as (partition by l.queue, l.rank, l.first order by l.id)
        union all
        select l.queue, l.rank, max(l.id) + 1, (l.first + l.tasks - 1 - max(l.id))::integer from leaving l where l.has_left group by l.queue, l.rank, l.first, l.tasks
      ) s where s.tasks > 0
    )
    -- The claim may have left some of them in another row. Only these are looked for again: what is gone stays in the index for a while, and each look would pass it.
    select coalesce(array_agg(l.id), '{}') into ids from leaving l where not l.has_left;
  end loop;
end $$;
