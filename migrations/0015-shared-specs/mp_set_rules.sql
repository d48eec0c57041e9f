-- UpdateBatchRules: gives tasks of a batch, which the caller has locked, the rules of other lanes; holders keep what they hold. p_lanes: null for none.
-- Answers the queues that have something to start, and how many of these tasks may start but for their rules: let in, and held.
create or replace function mp_set_rules(p_batch bigint, p_ids bigint[], p_lanes bigint[], p_specs text[], out o_ready integer[], out o_let_in bigint, out o_held bigint) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  pending bigint[];
  lanes bigint[];
  moved record;
begin
  pending := array(select x.id from unnest(p_ids, p_lanes) x(id, lane) cross join lateral (select q.lane from task_state q where q.id = x.id and q.status = 2 offset 0) h
    where h.lane is distinct from x.lane order by x.id);
  lanes := array(select distinct x.lane from (
    select h.lane from unnest(p_ids) x(id) cross join lateral (select q.lane from task_state q where q.id = x.id offset 0) h union all select l from unnest(p_lanes) l) x where x.lane is not null);
  perform mp_dequeue(pending);
  update task t set spec = x.spec, spec_id = null from unnest(p_ids, p_specs) x(id, spec) where t.id = any (array[x.id]);
  with u as (
    update task_state h set lane = x.lane, edits = h.edits + 1, prior_status = 0 from unnest(p_ids, p_lanes) x(id, lane) where h.id = any (array[x.id])
    returning h.id, h.status, h.attempt, h.queue
  )
  select array_agg(id) as ids, array_agg(status) as statuses, array_agg(attempt) as attempts, array_agg(queue) as queues into moved from u;
  o_ready := mp_enqueue(pending, now_time);
  perform from batch_state b where b.batch_id = p_batch for update;
  update batch_state b set limited = true where b.batch_id = p_batch and not b.limited and exists (select from unnest(p_lanes) l where l is not null);
  perform from rule_usage u where u.key_id = any (array(
    select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key))) order by u.key_id for update;
  perform mp_offer(lanes, pending, now_time, array(
    select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)));
  select count(*) filter (where b.id is null), count(b.id) into o_let_in, o_held
  from unnest(p_ids) x(id)
    cross join lateral (select q.id, q.lane, q.priority from task_state q where q.id = x.id and q.status = 2 and coalesce(q.start_time <= now_time, true) offset 0) h
    left join lateral (select b.id from blocked b where b.lane = h.lane and b.rank = -h.priority and b.id = h.id offset 0) b on true;
  if moved.ids is not null then
    perform mp_append_event(row(array[6::smallint], array[p_batch], moved.ids, moved.statuses, moved.statuses, moved.attempts, moved.queues, array[128], null, null)::mp_changes);
  end if;
end $$;
