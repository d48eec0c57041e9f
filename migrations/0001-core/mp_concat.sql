-- Two lots of changes of one transaction, as one.
create function mp_concat(a mp_changes, b mp_changes) returns mp_changes language sql immutable as $$
  select row(a.types || b.types, a.batch_ids || b.batch_ids, a.task_ids || b.task_ids, a.from_statuses || b.from_statuses, a.to_statuses || b.to_statuses,
    a.attempts || b.attempts, a.queues || b.queues, a.workers || b.workers, a.success_counts || b.success_counts, a.failure_counts || b.failure_counts)::mp_changes
$$;
