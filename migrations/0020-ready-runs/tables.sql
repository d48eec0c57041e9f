-- Tasks that may start now, of consecutive ids: id and the tasks - 1 that follow it, all of one queue and rank, without rules, fairness_key and start time. A task stands here or in ready, not in both.
create table ready_run (
  queue integer not null,
  rank smallint not null,
  id bigint not null,
  tasks integer not null,
  constraint ready_run_pkey primary key (queue, rank, id)
);

-- All tasks that stand in a queue, one by one.
create view ready_task as
  select r.queue, r.rank, r.flow, r.id, r.lane from ready r
  union all
  select r.queue, r.rank, 0, r.id + n, null from ready_run r cross join lateral generate_series(0, r.tasks - 1) n;
