-- Lets what depends on tasks that run again, and has not started, wait for them again: what was PENDING is WAITING, and what is left to wait for is counted
-- anew. Those that run again themselves are among it, where they depend on each other: for them nothing changes.
-- Answers the changes, and the edges of parents that had ended badly while their child ran: they are to be settled now that it waits.
create function mp_wait_again(p_ids bigint[], out o_changes mp_changes, out o_parents bigint[], out o_parent_statuses smallint[], out o_children bigint[], out o_conditions smallint[])
language plpgsql as $$
declare
  below bigint[] := array(select h.id from unnest(mp_children(p_ids)) x(id) join task_state h on h.id = any (array[x.id]) where h.status in (1, 2, 5));
  moved record;
begin
  perform mp_dequeue(array(select h.id from unnest(below) x(id) join task_state h on h.id = any (array[x.id]) where h.status = 2));
  select coalesce(array_agg(p.parent), '{}'), coalesce(array_agg(p.status), '{}'), coalesce(array_agg(p.child), '{}'), coalesce(array_agg(p.condition), '{}')
  into o_parents, o_parent_statuses, o_children, o_conditions
  from mp_parents(below) p where p.status > 5 and ((p.condition = 1 and p.status <> 6) or (p.condition = 3 and p.status in (6, 9)));
  with stand as materialized (
    select child as id, count(*) filter (where status < 6 or (condition = 1 and status <> 6) or (condition = 3 and status in (6, 9)))::integer as deps_left
    from mp_parents(below) group by child
  ), u as (
    update task_state h set deps_left = s.deps_left, skip = false, status = case when h.status = 2 and s.deps_left > 0 then 1 else h.status end,
      prior_status = case when h.status = 2 and s.deps_left > 0 then 2 else 0 end
    from stand s where h.id = any (array[s.id]) returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u where prior_status <> 0;
  o_changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
end $$;
