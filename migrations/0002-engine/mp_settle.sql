-- Settles the edges that leave tasks that have ended, level by level, until nothing more ends: the whole of propagation.
-- p_ids, p_statuses: tasks that ended in this transaction. p_parents, p_parent_statuses, p_children, p_conditions: further edges
-- of the first level (of new tasks onto parents that had ended before). p_late_only: of p_ids, only late edges are settled,
-- because the caller ends all tasks of their batch itself.
-- A child fails at once when an edge that it must have cannot be met any more; it starts, or is skipped, when its last edge has
-- been settled: so the result is the same whatever the order in which two transactions commit.
-- A parent that was retried settles its edges again: a child that has started meanwhile, or is held with nothing left to wait for, is left alone.
-- Locks: where more than one level may end, all that can be is locked first, in the order of ids.
create function mp_settle(p_ids bigint[], p_statuses smallint[], p_parents bigint[], p_parent_statuses smallint[],
  p_children bigint[], p_conditions smallint[], p_late_only boolean, p_time timestamptz, inout p_changes mp_changes, out o_ready integer[])
language plpgsql as $$
declare
  ids bigint[] := p_ids;
  statuses smallint[] := p_statuses;
  parents bigint[] := p_parents;
  parent_statuses smallint[] := p_parent_statuses;
  children bigint[] := p_children;
  conditions smallint[] := p_conditions;
  late_only boolean := p_late_only;
  level record;
  -- What the last levels changed: appended to p_changes now and then only, for that copies all of it.
  recent mp_changes;
begin
  o_ready := '{}';
  if exists (select from unnest(p_statuses) s where s <> 6) or exists (select from unnest(p_parent_statuses) s where s <> 6)
    or exists (select from task_state h where h.id = any (p_ids) and (h.cascades or h.grown)) then
    perform mp_lock_downstream(p_ids, p_children, p_late_only, p_statuses);
  end if;
  loop
    with edge as (
      select x.id as parent, x.status as parent_status, c.child, coalesce(c.condition, 1::smallint) as condition
      from unnest(ids, statuses) x(id, status) join task t on t.id = any (array[x.id])
        cross join lateral unnest(t.children, t.child_conditions) c(child, condition)
      where not late_only
      union all
      select x.id, x.status, l.child, l.condition from unnest(ids, statuses) x(id, status)
        cross join lateral (select e.child, e.condition from edge_late e where e.parent = any (array[x.id]) offset 0) l
      union all
      select x.parent, x.status, x.child, x.condition from unnest(parents, parent_statuses, children, conditions) x(parent, status, child, condition)
    ), settled as materialized (
      select child, count(*)::integer as n,
        min(parent) filter (where condition = 1 and parent_status in (7, 8)) as unmet_success,
        min(parent) filter (where condition = 3 and parent_status = 6) as unmet_failure,
        bool_or(condition <> 2 and parent_status = 9) as by_skip
      from edge group by child order by child
    ), outcome as (
      update task_state h set
        deps_left = h.deps_left - s.n,
        skip = h.skip or s.by_skip or (s.unmet_success is not null and h.unmet_policy = 2) or (s.unmet_failure is not null and h.unmet_policy <> 1),
        status = mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time),
        prior_status = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) <> h.status then h.status else 0 end,
        end_time = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) in (6, 7, 9) then p_time end
      from settled s
      where h.id = any (array[s.child]) and h.status in (1, 5) and h.deps_left > 0
      returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.start_time, h.dependents, h.edits,
        case when h.status = 7 then coalesce(case when h.unmet_policy <> 2 then s.unmet_success end, s.unmet_failure) end as culprit
    ), queued as (
      insert into ready (queue, rank, id)
      select queue, -priority, id from outcome where prior_status <> 0 and status = 2 and coalesce(start_time <= p_time, true) on conflict do nothing
    ), delayed as (
      insert into timer (due, task_ids, attempts)
      select start_time, array_agg(id), array_agg(attempt) from outcome where prior_status <> 0 and status = 2 and start_time > p_time group by start_time
    ), failed as (
      insert into task_attempt (task_id, attempt, status, cause, parent_id, end_time, message)
      select o.id, -o.edits, 7, 7, o.culprit, p_time,
        format('dependency "%s" ended as %s', coalesce(t.key, t.name), (array['SUCCESS', 'FAILURE', 'CANCELED', 'SKIPPED'])[h.status - 5])
      from outcome o join task t on t.id = any (array[o.culprit]) join task_state h on h.id = any (array[o.culprit]) where o.status = 7
      on conflict (task_id, attempt) do update set status = 7, cause = 7, parent_id = excluded.parent_id, end_time = excluded.end_time, message = excluded.message
    )
    select array_agg((case when status = 7 then 7 else 2 end)::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids,
      array_agg(prior_status) from_statuses, array_agg(status) to_statuses, array_agg(attempt) attempts, array_agg(queue) queues,
      array_agg(case when status = 7 then edits else 0 end) workers, array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) ready,
      array_agg(id) filter (where status in (6, 7, 9) and dependents > 0) next_ids,
      array_agg(status) filter (where status in (6, 7, 9) and dependents > 0) next_statuses
    into level from outcome where prior_status <> 0;

    exit when level.ids is null;
    recent := mp_concat(recent, row(level.types, level.batch_ids, level.ids, level.from_statuses, level.to_statuses, level.attempts, level.queues, level.workers, null, null));
    if cardinality(recent.task_ids) > 200 then
      p_changes := mp_concat(p_changes, recent);
      recent := null;
    end if;
    o_ready := o_ready || level.ready;
    exit when level.next_ids is null;
    ids := level.next_ids;
    statuses := level.next_statuses;
    parents := '{}';
    parent_statuses := '{}';
    children := '{}';
    conditions := '{}';
    late_only := false;
  end loop;
  p_changes := mp_concat(p_changes, recent);
end $$;
