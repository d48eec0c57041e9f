-- Cancels the parents of p_ids that are only there for their dependents and have none left that has not ended, and so upward. Locks all that may be
-- canceled first, in the order in which everybody does.
create function mp_cancel_unneeded(p_ids bigint[], out o_changes mp_changes, out o_ready integer[]) language plpgsql as $$
declare
  candidates bigint[];
  looked_at bigint[];
  unneeded bigint[];
  gone bigint[] := '{}';
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
  -- Level by level: one that only dependents keep that are to be canceled, too, has none left.
  looked_at := candidates;
  loop
    select array_agg(h.id) into unneeded from unnest(looked_at) x(id) join task_state h on h.id = any (array[x.id])
    where h.status < 6 and h.only_for_dependents and h.id <> all (gone)
      -- The newest first: they are the ones that most often have not ended.
      and not exists (select from task t cross join lateral (select c from unnest(t.children) c order by c desc offset 0) c(child)
        cross join lateral (select from task_state d where d.id = any (array[c.child]) and d.status < 6 and d.id <> all (gone) offset 0) d where t.id = any (array[x.id]))
      and not exists (select from (select e.child from edge_late e where e.parent = any (array[x.id]) order by e.child desc offset 0) l
        cross join lateral (select from task_state d where d.id = any (array[l.child]) and d.status < 6 and d.id <> all (gone) offset 0) d);
    exit when unneeded is null;
    gone := gone || unneeded;
    select array_agg(distinct p.parent) into looked_at from mp_parents(unneeded) p where p.only_for_dependents and p.status < 6;
    exit when looked_at is null;
  end loop;
  if cardinality(gone) = 0 then return; end if;
  canceled := mp_cancel(gone, 'every task that depends on it has ended', false, clock_timestamp(), o_changes);
  o_changes := canceled.p_changes;
  o_ready := canceled.o_ready;
end $$;
