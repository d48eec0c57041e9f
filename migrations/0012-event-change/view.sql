-- An operator's view of the feed, change by change: the columns of event_tx repeat their last element to the end of the transaction.
-- Whole arrays are unnested at once. An element picked out of an array costs the reading of all of it, and a transaction may hold 100,000 changes.
create or replace view event_change as
select e.seq, x.n::integer as index, e.commit_time,
  case when x.n <= l.types then x.type else l.type end as type,
  case when x.n <= l.batch_ids then x.batch_id else l.batch_id end as batch_id,
  x.task_id,
  case when x.n <= l.from_statuses then x.from_status else l.from_status end as from_status,
  case when x.n <= l.to_statuses then x.to_status else l.to_status end as to_status,
  case when x.task_id = 0 then 0 when x.n <= l.attempts then x.attempt else l.attempt end as attempt,
  case when x.task_id = 0 then 0 when x.n <= l.queues then x.queue else l.queue end as queue,
  case when x.task_id = 0 then 0 when x.n <= l.workers then x.worker else l.worker end as worker,
  x.success_count, x.failure_count
from event_tx e
cross join lateral (
  select cardinality(e.task_ids) as size, cardinality(e.types) as types, e.types[cardinality(e.types)] as type,
    cardinality(e.batch_ids) as batch_ids, e.batch_ids[cardinality(e.batch_ids)] as batch_id,
    cardinality(e.from_statuses) as from_statuses, e.from_statuses[cardinality(e.from_statuses)] as from_status,
    cardinality(e.to_statuses) as to_statuses, e.to_statuses[cardinality(e.to_statuses)] as to_status,
    cardinality(e.attempts) as attempts, e.attempts[cardinality(e.attempts)] as attempt,
    cardinality(e.queues) as queues, e.queues[cardinality(e.queues)] as queue,
    cardinality(e.workers) as workers, e.workers[cardinality(e.workers)] as worker
  offset 0 -- once a transaction, not once a change
) l
cross join lateral unnest(e.task_ids, e.types, e.batch_ids, e.from_statuses, e.to_statuses, e.attempts, e.queues, e.workers,
  e.success_counts, e.failure_counts) with ordinality
  x(task_id, type, batch_id, from_status, to_status, attempt, queue, worker, success_count, failure_count, n)
where x.n <= l.size; -- of a batch without tasks, other arrays have one more
