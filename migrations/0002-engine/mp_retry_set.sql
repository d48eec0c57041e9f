-- Which tasks are to run again: those of p_ids that have ended, or (p_batch) what of a batch has failed or was canceled; and with p_with_dependents what
-- they brought down: SKIPPED, or FAILURE because of a dependency, and so downward; in a batch's case within it. In the order of ids.
create function mp_retry_set(p_ids bigint[], p_batch bigint, p_with_dependents boolean) returns bigint[] language sql stable as $$
  with recursive down(id) as (
    select h.id from unnest(case when p_batch is null then p_ids else array(select t.id from task t where t.batch_id = p_batch) end) x(id)
      join task_state h on h.id = any (array[x.id]) where case when p_batch is null then h.status > 5 else h.status in (7, 8) end
    union
    select h.id from down cross join lateral (
      select c.child from task t cross join lateral unnest(t.children) c(child) where t.id = any (array[down.id])
      union all
      select l.child from edge_late l where l.parent = any (array[down.id])
    ) c cross join lateral (
      select s.id, s.batch_id, s.status, s.edits, s.attempt from task_state s where s.id = any (array[c.child]) offset 0
    ) h
    where p_with_dependents and (p_batch is null or h.batch_id = p_batch) and (h.status = 9 or (h.status = 7 and exists (
      select from task_attempt a where a.task_id = any (array[h.id]) and a.attempt in (-h.edits, h.attempt) and a.cause = 7)))
  )
  select coalesce(array_agg(id order by id), '{}') from down
$$;
