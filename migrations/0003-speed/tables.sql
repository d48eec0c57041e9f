-- What dispatch in the commit that makes a task ready adds to the tables.

-- Places that workers have free, for the tasks that a transaction makes ready. A queue shares the places of its pool with the others of that pool:
-- from `first` on, `count` of them. workers, leases (milliseconds): by place, from 1; the last elements count for all places that follow.
create type mp_slots as (
  queues integer[],
  pools integer[],
  firsts integer[],
  counts integer[],
  workers integer[],
  leases integer[]
);

-- retry_policy has it.
alter table task_state drop column max_attempts;
