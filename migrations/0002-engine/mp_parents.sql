-- The edges that lead to some tasks, with how each parent stands. Behind a function, so that no plan begins with all tasks there are.
create function mp_parents(p_ids bigint[]) returns table (child bigint, parent bigint, condition smallint, status smallint, only_for_dependents boolean) language sql stable rows 100 as $$
  with edge as materialized (
    select t.id, e.parent, coalesce(e.condition, 1::smallint) as condition from unnest(p_ids) x(id) join task t on t.id = any (array[x.id])
      cross join lateral unnest(t.parents, t.parent_conditions) e(parent, condition)
  )
  select edge.id, p.id, edge.condition, p.status, p.only_for_dependents from edge join task_state p on p.id = any (array[edge.parent])
$$;
