-- What workers are handed of tasks that were started in this transaction: first attempts, with what their parents left, as one text of JSON; so who commits need not read it again.
-- int8 and times are texts, as drivers read them. Null, so that it is read the usual way, where an attempt is not the first, or where there is much: more than 64 KiB together, or
-- more than 16 parents of one task.
create function mp_handed_over(p_ids bigint[], p_attempts integer[]) returns text
language plpgsql stable as $$
begin
  -- Before PostgreSQL 18 a function in SQL is planned anew in each transaction.
  return (select case when count(*) = cardinality(p_ids) and sum(x.bytes) <= 65536 then json_agg(json_build_object('task', x.task, 'parents', x.parents) order by x.n)::text end
  from (
    select s.n, row_to_json(given) as task, coalesce(left_by.parents, '[]') as parents,
      coalesce(octet_length(given.input), 0) + coalesce(octet_length(given.spec), 0) + coalesce(pg_column_size(given.metadata), 0) + coalesce(left_by.bytes, 0) as bytes
    from unnest(p_ids, p_attempts) with ordinality s(id, attempt, n)
    cross join lateral (
      select h.id::text, h.batch_id::text as "batchId", h.queue, h.status, h.attempt, h.priority, h.worker, h.success_count::text as "successCount", h.failure_count::text as "failureCount",
        h.start_time::text as "startTime", h.lease_until::text as "leaseUntil", h.claim_time::text as "claimTime", h.run_time::text as "runTime", h.activity_time::text as "activityTime",
        h.execution, t.create_time::text as "createTime", t.expected_count::text as "expectedCount", t.xmin::text as "givenVersion", h.edits, t.key, t.name,
        t.parents::text[] as parents, t.parent_conditions as "parentConditions", t.metadata, t.input, t.spec, h.start_timeout_ms as "startTimeoutMs",
        h.inactivity_timeout_ms::text as "inactivityTimeoutMs", h.execution_timeout_ms::text as "executionTimeoutMs", h.total_timeout_ms::text as "totalTimeoutMs",
        h.unmet_policy as "unmetPolicy"
      from task t join task_state h on h.id = any (array[t.id])
      where t.id = any (array[s.id]) and h.attempt = s.attempt and h.attempt = 1 and h.status = 4 and coalesce(cardinality(t.parents), 0) <= 16
    ) given
    cross join lateral (
      select sum(octet_length(parent.output)) as bytes, json_agg(parent order by parent.m) as parents from (
        select e.m, p.id::text, p.batch_id::text as "batchId", p.key, h.status, case when h.status = 6 then a.output end as output
        from unnest(given.parents) with ordinality e(parent, m) join task p on p.id = any (array[e.parent::bigint]) join task_state h on h.id = any (array[p.id])
          left join task_attempt a on a.task_id = any (array[h.id]) and a.attempt = h.attempt
      ) parent
    ) left_by
  ) x);
end $$;
