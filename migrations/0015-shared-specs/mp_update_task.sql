-- UpdateTask: writes what of a living task has changed; the caller has locked and read it in the same transaction. p_fields: bits, 1 priority 2 metadata
-- 4 expected_count 8 start_timeout 16 inactivity_timeout 32 execution_timeout 64 total_timeout 128 rules. p_lane: of its rules, as they are to be. Deadlines count from when they counted before.
create or replace function mp_update_task(p_namespace integer, p_request_id text, p_hash bytea, p_id bigint, p_fields integer, p_priority smallint, p_metadata text, p_expected bigint,
  p_start_timeout integer, p_inactivity_timeout bigint, p_execution_timeout bigint, p_total_timeout bigint, p_spec text, p_lane bigint, out o_ready integer[])
language plpgsql as $$
declare
  was record;
  after record;
  holds record;
  now_time timestamptz := clock_timestamp();
  moves boolean;
  lanes bigint[];
  keys bigint[];
begin
  o_ready := '{}';
  select h.status, h.priority, h.queue, h.lane, t.expected_count, t.batch_id into was
  from task_state h join task t on t.id = any (array[h.id]) where h.id = any (array[p_id]);
  moves := was.status = 2 and (was.priority <> p_priority or was.lane is distinct from p_lane);
  if moves then
    perform mp_dequeue(array[p_id]);
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
    expected_count = case when p_fields & 4 > 0 then p_expected else t.expected_count end, spec = p_spec, spec_id = null
  where t.id = any (array[p_id]) and (p_fields & 6 > 0 or t.spec_id is not null or t.spec is distinct from p_spec);
  if p_fields & 2 > 0 and exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(array[p_id]);
  end if;
  update task_state h set priority = p_priority, start_timeout_ms = p_start_timeout, inactivity_timeout_ms = p_inactivity_timeout,
    execution_timeout_ms = p_execution_timeout, total_timeout_ms = p_total_timeout,
    total_deadline = coalesce(h.retry_time, (select t.create_time from task t where t.id = any (array[h.id]))) + p_total_timeout * interval '1 millisecond',
    lease_until = case when h.status = 3 then h.claim_time + p_start_timeout * interval '1 millisecond' else h.lease_until end,
    edits = h.edits + 1, prior_status = 0, lane = p_lane
  where h.id = any (array[p_id])
  returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.worker, h.total_deadline, mp_work_left(p_expected, h.success_count, h.failure_count) as work_left,
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
  if moves then
    o_ready := o_ready || mp_enqueue(array[p_id], now_time);
  end if;
  lanes := array_remove(array[was.lane, p_lane], null);
  select h.held_lane as lane, h.held_amount as amount into holds from task_state h where h.id = any (array[p_id]) and h.status in (3, 4) and h.held_lane is not null and h.held_amount <> after.work_left;
  if found then
    update task_state h set held_amount = after.work_left where h.id = any (array[p_id]);
    lanes := lanes || holds.lane;
  end if;
  if cardinality(lanes) > 0 then
    perform from batch_state b where b.batch_id = after.batch_id for update;
    update batch_state b set limited = true where b.batch_id = after.batch_id and not b.limited;
    perform from rule_usage u where u.key_id = any (array(
      select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key))) order by u.key_id for update;
    if holds.lane is not null then
      update rule_usage u set in_use = u.in_use + after.work_left - holds.amount
      from lane l, unnest(l.keys, l.types) k(key, type) where l.id = holds.lane and k.type = 2 and u.key_id = any (array[k.key]);
    end if;
    keys := array(select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key));
    perform mp_offer(array(select distinct x.lane from unnest(lanes) x(lane)), case when moves then array[p_id] else '{}' end, now_time, keys);
  end if;
  perform mp_append_event(row(array[6::smallint], array[after.batch_id], array[p_id], array[after.status], array[after.status], array[after.attempt], array[after.queue],
    array[p_fields], null, null)::mp_changes);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, '{}');
end $$;
