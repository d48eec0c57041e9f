-- What a transaction has changed so far, as arrays of equal length: the material of its one event row. Null is empty.
-- Changes of counts stand first: success_counts and failure_counts end with the last of them.
create type mp_changes as (
  types smallint[],
  batch_ids bigint[],
  task_ids bigint[],
  from_statuses smallint[],
  to_statuses smallint[],
  attempts integer[],
  queues integer[],
  workers integer[],
  success_counts bigint[],
  failure_counts bigint[]
);
