-- Drops the lines that earlier attempts of tasks have logged, and writes down how many they were. The rows of the logs are locked.
create function mp_make_room(p_ids bigint[], p_time timestamptz) returns void language plpgsql as $$
begin
  with gone as (
    delete from log_part p using task_log l where l.task_id = any (p_ids) and p.task_id = any (array[l.task_id]) and p.attempt < l.attempt
    returning p.task_id, p.attempt, p.first_line, p.lines, p.bytes, p.dropped
  ), told as (
    insert into log_part (task_id, append_time, dropped, attempt, first_line, lines, bytes, levels, messages)
    select task_id, p_time, sum(lines + coalesce(dropped, 0)), attempt, max(first_line + lines), 0, 0, '{}', '{}' from gone group by task_id, attempt
  )
  update task_log l set lines = l.lines - g.lines, bytes = l.bytes - g.bytes
  from (select task_id, sum(lines)::integer as lines, sum(bytes) as bytes from gone group by task_id) g where l.task_id = any (array[g.task_id]);
end $$;
