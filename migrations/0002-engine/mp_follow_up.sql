-- Does what a change has left to be done; one that somebody else is doing is waited for. Answers what follows from it in turn.
create function mp_follow_up(p_id bigint, out o_ready integer[], out o_follow_ups bigint[]) language plpgsql as $$
declare
  entry follow_up;
  failed record;
  done record;
  appended record;
begin
  o_ready := '{}';
  o_follow_ups := '{}';
  delete from follow_up where id = p_id returning * into entry;
  if entry.id is null then return; end if;
  if entry.kind = 1 then
    -- One that was retried meanwhile has not failed any more.
    select t.batch_id, coalesce(t.key, t.name) as name into failed from unnest(entry.task_ids) x(id) join task t on t.id = any (array[x.id])
      join task_state h on h.id = any (array[x.id]) where h.status = 7 and h.critical order by h.end_time, h.id limit 1;
    if failed.batch_id is null then return; end if;
    done := mp_stop(failed.batch_id, format('critical task "%s" failed', failed.name));
    appended := mp_append_event(done.o_changes, array[failed.batch_id], failed.batch_id);
  else
    done := mp_cancel_unneeded(entry.task_ids);
    appended := mp_append_event(done.o_changes);
  end if;
  o_ready := done.o_ready;
  if appended.o_wake then o_ready := o_ready || 0; end if;
  o_follow_ups := appended.o_follow_ups;
end $$;
