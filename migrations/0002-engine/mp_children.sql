-- The tasks that depend on some others, each once: by edges known when the parents were created, and by later ones.
create function mp_children(p_ids bigint[]) returns bigint[] language sql stable as $$
  select coalesce(array_agg(distinct child), '{}') from (
    select c.child from unnest(p_ids) x(id) join task t on t.id = any (array[x.id]) cross join lateral unnest(t.children) c(child)
    union all
    select l.child from unnest(p_ids) x(id) cross join lateral (select e.child from edge_late e where e.parent = any (array[x.id]) offset 0) l
  ) edge
$$;
