-- What workers are handed of tasks that were started in this transaction: first attempts, with what their parents left, as one text of JSON; so who commits need not read it again.
-- int8 and times are texts, as drivers read them. Null, so that it is read the usual way, where an attempt is not the first, or where there is much: more than four tasks, more than 64 KiB together, or
-- more than 16 parents of one task. How much it is is known before any of it is read. Volatile: what the statement that calls it has changed is to be seen.
create or replace function mp_handed_over(p_ids bigint[], p_attempts integer[]) returns text
language plpgsql as $$
declare
  size bigint;
begin
  if p_ids is null or cardinality(p_ids) > 4 then return null; end if;
  select sum(coalesce(octet_length(t.input), 0) + coalesce(octet_length(case when t.spec_id is null then t.spec else (select s.spec from shared_spec s where s.batch_id = t.batch_id and s.id = t.spec_id) end), 0) + coalesce(pg_column_size(t.metadata), 0) + coalesce((
      select sum(octet_length(a.output)) from unnest(t.parents) e(parent) join task_state h on h.id = any (array[e.parent])
        join task_attempt a on a.task_id = any (array[h.id]) and a.attempt = h.attempt), 0))
  into size from unnest(p_ids) x(id) join task t on t.id = any (array[x.id]) where coalesce(cardinality(t.parents), 0) <= 16 having count(*) = cardinality(p_ids);
  if size is null or size > 65536 then return null; end if;
  -- Before PostgreSQL 18 a function in SQL is planned anew in each transaction: hence PL/pgSQL.
  return (
    select case when count(*) = cardinality(p_ids) then json_agg(json_build_object('task', given, 'parents', coalesce(left_by.parents, '[]')) order by s.n)::text end
    from unnest(p_ids, p_attempts) with ordinality s(id, attempt, n)
    cross join lateral (
      select h.id::text, h.batch_id::text as "batchId", h.queue, h.status, h.attempt, h.priority, h.worker, h.success_count::text as "successCount", h.failure_count::text as "failureCount",
        h.start_time::text as "startTime", h.lease_until::text as "leaseUntil", h.claim_time::text as "claimTime", h.run_time::text as "runTime", h.activity_time::text as "activityTime",
        h.execution, t.create_time::text as "createTime", t.expected_count::text as "expectedCount", t.xmin::text as "givenVersion", h.edits, t.key, t.name,
        t.parents::text[] as parents, t.parent_conditions as "parentConditions", t.metadata, t.input,
        case when t.spec_id is null then t.spec else (select s.spec from shared_spec s where s.batch_id = t.batch_id and s.id = t.spec_id) end as spec,
        h.start_timeout_ms as "startTimeoutMs",
        h.inactivity_timeout_ms::text as "inactivityTimeoutMs", h.execution_timeout_ms::text as "executionTimeoutMs", h.total_timeout_ms::text as "totalTimeoutMs",
        h.unmet_policy as "unmetPolicy"
      from task t join task_state h on h.id = any (array[t.id])
      where t.id = any (array[s.id]) and h.attempt = s.attempt and h.attempt = 1 and h.status = 4
    ) given
    cross join lateral (
      select json_agg(parent order by parent.m) as parents from (
        select e.m, p.id::text, p.batch_id::text as "batchId", p.key, h.status, case when h.status = 6 then a.output end as output
        from unnest(given.parents) with ordinality e(parent, m) join task p on p.id = any (array[e.parent::bigint]) join task_state h on h.id = any (array[p.id])
          left join task_attempt a on a.task_id = any (array[h.id]) and a.attempt = h.attempt
      ) parent
    ) left_by
  );
end $$;
