-- Locks, in the order of ids, the tasks that the end of p_ids (as p_statuses; null: other than by SUCCESS) or of parents of p_children may end,
-- so that two cascades that meet never wait for each other. The search goes on below a task whose dependency may turn out unmet,
-- one that an earlier parent has made to be skipped, and a join: these may end at once. It ends at tasks that do not wait.
create function mp_lock_downstream(p_ids bigint[], p_children bigint[], p_late_only boolean, p_statuses smallint[] default null)
returns void language plpgsql as $$
begin
  perform h.id from task_state h where h.status in (1, 5) and h.id = any (array(
    with recursive down(id, unmet, further) as (
      select e.child, s.unmet, s.unmet or h.execution = 3 from unnest(p_ids, p_statuses) x(id, status) cross join lateral (
        select c.child, coalesce(c.condition, 1::smallint) from task t, unnest(t.children, t.child_conditions) c(child, condition)
        where t.id = any (array[x.id]) and not p_late_only
        union all
        select l.child, l.condition from edge_late l where l.parent = any (array[x.id])
        offset 0
      ) e(child, condition) cross join lateral (select d.execution, d.skip from task_state d where d.id = any (array[e.child]) and d.status in (1, 5) offset 0) h
        cross join lateral (select case when x.status = 6 then e.condition = 3 else e.condition <> 2 end or h.skip) s(unmet)
      union
      select c, true, true from unnest(p_children) c
      union
      select e.child, s.unmet, s.unmet or h.execution = 3 from down d cross join lateral (
        select c.child, coalesce(c.condition, 1::smallint) from task t, unnest(t.children, t.child_conditions) c(child, condition) where t.id = any (array[d.id])
        union all
        select l.child, l.condition from edge_late l where l.parent = any (array[d.id])
        offset 0
      ) e(child, condition) cross join lateral (select c.execution, c.skip from task_state c where c.id = any (array[e.child]) and c.status in (1, 5) offset 0) h
        cross join lateral (select case when d.unmet then e.condition <> 2 else e.condition = 3 end or h.skip) s(unmet)
      where d.further
    )
    select id from down))
  order by h.id for update;
end $$;
