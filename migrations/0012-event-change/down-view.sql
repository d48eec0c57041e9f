-- The view as 0004-lean made it.
create or replace view event_change as
  select e.seq, x.n::integer as index, e.commit_time, e.types[least(x.n, cardinality(e.types))] as type,
    e.batch_ids[least(x.n, cardinality(e.batch_ids))] as batch_id, x.task_id,
    e.from_statuses[least(x.n, cardinality(e.from_statuses))] as from_status, e.to_statuses[least(x.n, cardinality(e.to_statuses))] as to_status,
    case when x.task_id = 0 then 0 else e.attempts[least(x.n, cardinality(e.attempts))] end as attempt,
    case when x.task_id = 0 then 0 else e.queues[least(x.n, cardinality(e.queues))] end as queue,
    case when x.task_id = 0 then 0 else e.workers[least(x.n, cardinality(e.workers))] end as worker,
    e.success_counts[x.n] as success_count, e.failure_counts[x.n] as failure_count
  from event_tx e cross join lateral unnest(e.task_ids) with ordinality x(task_id, n);
