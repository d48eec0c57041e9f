-- How long tasks were blocked that have been offered, in milliseconds, a row for each offer and thousand tasks: a server takes it away for its metrics, some seconds later. Nothing else needs it.
create table blocked_wait (
  id bigint generated always as identity,
  waits_ms integer[] not null,
  constraint blocked_wait_pkey primary key (id)
);

-- Who was let in by one claim under many lanes has one row: lane is 0 then, and lanes says of each of task_ids under which; of those who are still there two seconds later, the sweep makes a row for
-- each lane. Numbers that are compressed on the way cost more than what is saved.
alter table hold add lanes bigint[];
alter table hold alter column task_ids set storage external;
alter table hold alter column lanes set storage external;
