-- Cancels the parents of p_ids that are only there for their dependents and have none left that has not ended, and so upward. Locks all that may be
-- canceled first, in the order in which everybody does.
create function mp_cancel_unneeded(p_ids bigint[], out o_changes mp_changes, out o_ready integer[]) language plpgsql as $$
declare
  candidates bigint[];
  looked_at bigint[];
  unneeded bigint[];
  canceled record;
begin
  o_ready := '{}';
  looked_at := p_ids;
  candidates := '{}';
  loop
    select array_agg(distinct p.parent) into looked_at from mp_parents(looked_at) p where p.only_for_dependents and p.status < 6;
    exit when looked_at is null;
    candidates := candidates || looked_at;
  end loop;
  if cardinality(candidates) = 0 then return; end if;
  perform from task_state h where h.id = any (candidates) and h.status < 6 order by h.status in (1, 5), h.id for update;
  looked_at := candidates;
  loop
    select array_agg(h.id) into unneeded from unnest(looked_at) x(id) join task_state h on h.id = any (array[x.id])
    where h.status < 6 and h.only_for_dependents
      and not exists (select from task t cross join lateral unnest(t.children) c(child)
        cross join lateral (select from task_state d where d.id = any (array[c.child]) and d.status < 6 offset 0) d where t.id = any (array[x.id]))
      and not exists (select from edge_late l
        cross join lateral (select from task_state d where d.id = any (array[l.child]) and d.status < 6 offset 0) d where l.parent = any (array[x.id]));
    exit when unneeded is null;
    canceled := mp_cancel(unneeded, 'every task that depends on it has ended', false, clock_timestamp(), o_changes);
    o_changes := canceled.p_changes;
    o_ready := o_ready || canceled.o_ready;
    select array_agg(distinct p.parent) into looked_at from mp_parents(canceled.o_ids) p where p.only_for_dependents and p.status < 6;
    exit when looked_at is null;
  end loop;
end $$;
