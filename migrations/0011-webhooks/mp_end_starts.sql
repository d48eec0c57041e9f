-- Says that start calls of attempts are over, though the attempts had ended before: what tells of these ends may be called now. Answers how many such calls there are.
-- Rows that nobody has tried yet wait for nothing but this; they are locked in the order of their ids, after everything else.
create function mp_end_starts(p_tasks bigint[], p_attempts integer[]) returns integer language plpgsql as $$
declare
  opened integer;
begin
  with gated as materialized (
    select d.id from unnest(p_tasks, p_attempts) x(task, attempt) cross join lateral (
      select d.id from delivery d where d.task_id = x.task and d.attempt = x.attempt and d.state + 0 = 1 and d.fence = 0 and d.due > clock_timestamp() offset 0
    ) d
  ), mine as materialized (
    select id from delivery where id = any (array(select id from gated)) and state + 0 = 1 and fence = 0 order by id for update
  )
  update delivery d set due = clock_timestamp() where d.id = any (array(select id from mine));
  get diagnostics opened = row_count;
  return opened;
end $$;
