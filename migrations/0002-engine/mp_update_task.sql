-- UpdateTask: writes what of a living task has changed; the caller has locked and read it in the same transaction. p_fields: bits, 1 priority 2 metadata
-- 4 expected_count 8 start_timeout 16 inactivity_timeout 32 execution_timeout 64 total_timeout. Deadlines count from when they counted before.
create function mp_update_task(p_namespace integer, p_request_id text, p_hash bytea, p_id bigint, p_fields integer, p_priority smallint, p_metadata text, p_expected bigint,
  p_start_timeout integer, p_inactivity_timeout bigint, p_execution_timeout bigint, p_total_timeout bigint, p_spec text, out o_ready integer[])
language plpgsql as $$
declare
  was record;
  after record;
begin
  o_ready := '{}';
  select h.status, h.priority, h.queue, t.expected_count, t.batch_id into was
  from task_state h join task t on t.id = any (array[h.id]) where h.id = any (array[p_id]);
  if was.status = 2 and was.priority <> p_priority then
    -- Where it is parked, ResumeBatch is waited for; then it is in ready.
    update parked set rank = -p_priority where batch_id = was.batch_id and id = p_id;
    with gone as (
      delete from ready where queue = was.queue and rank = -was.priority and id = p_id returning queue
    )
    insert into ready (queue, rank, id) select queue, -p_priority, p_id from gone;
  end if;
  if was.status = 2 then
    -- A claim has passed over it while it was locked.
    o_ready := array[was.queue];
  end if;
  if p_fields & 2 > 0 and exists (select from dedupe_shape) then
    delete from dedupe_key where ctid = any (array(
      select k.place from task t cross join lateral mp_dedupe_hashes(t.namespace_id, t.queue, t.metadata) d
        cross join lateral (select q.ctid as place from dedupe_key q where q.shape = d.shape and q.hash = d.hash and q.task_id = t.id offset 0) k
      where t.id = any (array[p_id])));
  end if;
  update task t set metadata = case when p_fields & 2 > 0 then p_metadata::jsonb else t.metadata end,
    expected_count = case when p_fields & 4 > 0 then p_expected else t.expected_count end, spec = p_spec
  where t.id = any (array[p_id]) and (p_fields & 6 > 0 or t.spec is distinct from p_spec);
  if p_fields & 2 > 0 and exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(array[p_id]);
  end if;
  update task_state h set priority = p_priority, start_timeout_ms = p_start_timeout, inactivity_timeout_ms = p_inactivity_timeout,
    execution_timeout_ms = p_execution_timeout, total_timeout_ms = p_total_timeout,
    total_deadline = coalesce(h.retry_time, (select t.create_time from task t where t.id = any (array[h.id]))) + p_total_timeout * interval '1 millisecond',
    lease_until = case when h.status = 3 then h.claim_time + p_start_timeout * interval '1 millisecond' else h.lease_until end,
    edits = h.edits + 1, prior_status = 0
  where h.id = any (array[p_id])
  returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.worker, h.total_deadline,
    case h.status when 4 then least(h.lease_until, h.activity_time + h.inactivity_timeout_ms * interval '1 millisecond', h.run_time + h.execution_timeout_ms * interval '1 millisecond')
      when 3 then h.lease_until end as due
  into after;
  insert into timer (due, task_ids, attempts) select due, array[p_id], array[a] from (values (after.due, after.attempt), (after.total_deadline, -1)) x(due, a)
  where due is not null and p_fields & 120 > 0;
  if p_fields & 4 > 0 and was.expected_count is distinct from p_expected then
    update batch_state b set expected_count = case when exists (
        select from task t where t.batch_id = any (array[b.batch_id]) and t.expected_count is not null) then coalesce(b.expected_count, 0) - coalesce(was.expected_count, 0) + coalesce(p_expected, 0) end
    where b.batch_id = after.batch_id;
  end if;
  perform mp_append_event(row(array[6::smallint], array[after.batch_id], array[p_id], array[after.status], array[after.status], array[after.attempt], array[after.queue],
    array[p_fields], null, null)::mp_changes);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, '{}');
end $$;
