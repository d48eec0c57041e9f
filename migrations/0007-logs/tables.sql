-- What attempts log. Nothing of it is in the rows of tasks, and no index mentions a column that changes.

-- What is known of a task's log: one row, made by its first line, locked by whoever appends (after the rows of tasks, by id).
-- attempt: the newest one that has logged; nothing is appended to an earlier one. lines, bytes: what is kept, of all attempts.
-- next_line: lines are numbered from 0 through all attempts, the dropped ones not counted.
-- dropped: lines of that attempt beyond the bound, the first of them at cut_time. Once a line has been dropped, all that follow are.
-- begin_time: tells this log from one that was kept for the task before and is forgotten.
create table task_log (
  task_id bigint not null,
  begin_time timestamptz not null,
  append_time timestamptz not null,
  cut_time timestamptz,
  bytes bigint not null default 0,
  dropped bigint not null default 0,
  attempt integer not null,
  lines integer not null default 0,
  next_line integer not null default 0,
  constraint task_log_pkey primary key (task_id),
  constraint task_log_not_negative check (least(lines, bytes, dropped) >= 0)
) with (fillfactor = 60);

-- The lines of one call. times (by the executor's clock; null: append_time) and levels (as in the contract) end where all that follows would repeat their
-- last element. bytes: of the messages.
-- dropped: not null in a row without lines, the last one of an attempt that is not the newest: so many lines of it were dropped.
create table log_part (
  task_id bigint not null,
  append_time timestamptz not null,
  dropped bigint,
  attempt integer not null,
  first_line integer not null,
  lines integer not null,
  bytes integer not null,
  times timestamptz[],
  levels smallint[] not null,
  messages text[] not null,
  constraint log_part_pkey primary key (task_id, attempt, first_line)
);
