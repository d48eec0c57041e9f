-- Forgets logs of tasks that ended, and were last appended to, longer than p_keep_ms ago: of at most p_tasks that have logs, with ids between p_after and
-- p_below, and until p_lines lines are gone; at least one log, whole. o_after: where to go on; null: that was all, or another server does this now.
create function mp_forget_logs(p_keep_ms bigint, p_after bigint, p_below bigint, p_tasks integer, p_lines integer, out o_after bigint, out o_forgotten integer) language plpgsql as $$
declare
  cutoff timestamptz := clock_timestamp() - p_keep_ms * interval '1 millisecond';
  looked integer;
  last bigint;
  old bigint[];
begin
  o_forgotten := 0;
  if not pg_try_advisory_xact_lock(7710, 7) then return; end if;
  with log as (
    select task_id, append_time, lines from task_log where task_id > p_after and task_id < p_below order by task_id limit p_tasks
  ), over as (
    select l.task_id, sum(l.lines) over (order by l.task_id) - l.lines as lines_before
    from log l join task_state h on h.id = any (array[l.task_id]) where l.append_time < cutoff and h.status > 5 and h.end_time < cutoff
  )
  select (select count(*) from log), (select max(task_id) from log), array_agg(task_id order by task_id) filter (where lines_before < p_lines),
    min(task_id) filter (where lines_before >= p_lines) - 1
  into looked, last, old, o_after from over;
  if o_after is null and looked = p_tasks then
    o_after := last;
  end if;
  if old is null then return; end if;
  -- Looks again at each row: one that has been appended to meanwhile stays.
  with forgotten as (
    delete from task_log where task_id = any (old) and append_time < cutoff returning task_id
  ), parts as (
    delete from log_part p using forgotten f where p.task_id = any (array[f.task_id])
  )
  select count(*) into o_forgotten from forgotten;
end $$;
