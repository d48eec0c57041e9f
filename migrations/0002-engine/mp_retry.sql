-- Runs tasks again that have ended: those that mp_retry_set chooses. They are WAITING or PENDING, as their dependencies stand now, with a new allowance of
-- attempts and a new total timeout; a join that has nothing to wait for succeeds. A task that a parent which stays as it ended would bring down or skip
-- at once stays as it is: answered with that parent. What waits for one that runs again, waits again; what has started, goes on. Batches that had
-- ended are ACTIVE again. Raises MP001 (no such batch). A request_id that has been answered gets that answer again, with its hash.
--
-- While it looks, a task that may run again is WAITING with a time of end: so it counts as one that has not ended.
create function mp_retry(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], p_batch bigint, p_with_dependents boolean,
  out o_taken bigint[], out o_count integer, out o_refused bigint[], out o_refused_statuses smallint[], out o_blockers bigint[], out o_batch jsonb, out o_ready integer[], out o_follow_ups bigint[], out o_replayed_hash bytea)
language plpgsql as $$
declare
  earlier jsonb;
  now_time timestamptz;
  ids bigint[];
  related bigint[];
  locked bigint[] := '{}';
  blocked bigint[] := '{}';
  blockers bigint[] := '{}';
  looked_at bigint[];
  back record;
  moved record;
  again record;
  settled record;
  appended record;
  reopened record;
  changes mp_changes;
begin
  o_taken := '{}';
  o_ready := '{}';
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    o_blockers := array(select jsonb_array_elements_text(earlier -> 'blockers'))::bigint[];
    o_batch := earlier -> 'batch';
    o_count := (earlier ->> 'count')::integer;
    return;
  end if;
  if p_batch is not null then
    perform from batch where id = p_batch and namespace_id = p_namespace;
    if not found then
      raise exception using errcode = 'MP001', message = 'no such batch';
    end if;
  end if;

  -- All that has a say is locked: what runs again, what it depends on, and what depends on it. Who hangs an edge onto one of them locks it first.
  loop
    ids := mp_retry_set(p_ids, p_batch, p_with_dependents);
    related := array(
      select id from (
        select unnest(ids) as id union select parent from mp_parents(ids) union select unnest(mp_children(ids))
      ) near order by id);
    exit when related = locked;
    perform mp_lock_tasks(related, false);
    locked := related;
  end loop;
  now_time := clock_timestamp();

  with u as (
    update task_state h set status = 1, prior_status = h.status where h.id = any (ids) and h.status > 5 returning h.id
  )
  select array_agg(id) into looked_at from u;
  if looked_at is null then
    ids := '{}';
  end if;
  while looked_at is not null loop
    with stuck as materialized (
      select h.id, min(p.parent) as parent from mp_parents(looked_at) p join task_state h on h.id = any (array[p.child])
      where h.status = 1 and h.end_time is not null and p.status > 5
        and ((p.condition = 1 and p.status <> 6) or (p.condition = 3 and p.status in (6, 9)))
      group by h.id
    ), u as (
      update task_state h set status = h.prior_status from stuck where h.id = any (array[stuck.id]) returning h.id, stuck.parent
    )
    select array_agg(id) ids, array_agg(parent) parents into back from u;
    exit when back.ids is null;
    blocked := blocked || back.ids;
    blockers := blockers || back.parents;
    select array_agg(h.id) into looked_at from unnest(mp_children(back.ids)) x(id) join task_state h on h.id = any (array[x.id])
    where h.status = 1 and h.end_time is not null;
  end loop;

  -- What the attempts that it leaves behind came to, where nothing is kept of them yet.
  insert into task_attempt (task_id, attempt, status, worker, claim_time, start_time, end_time)
  select h.id, h.attempt, h.prior_status, h.worker, h.claim_time, h.run_time, h.end_time from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
  where h.status = 1 and h.end_time is not null and h.attempt > 0 and h.claim_time is not null on conflict do nothing;
  -- Facts of one kind under each other and grouped: joined, lists of this size would be compared all with all.
  with fact as (
    select child as id, 1 as waits, 0 as late from mp_parents(ids) where status < 6
    union all
    select l.parent, 0, 1 from unnest(ids) x(id) cross join lateral (select e.parent from edge_late e where e.parent = any (array[x.id]) offset 0) l
    union all
    select unnest(ids), 0, 0
  ), counted as materialized (
    select id, sum(waits)::integer as deps_left, sum(late)::integer as late from fact group by id
  ), stand as materialized (
    select h.id, h.prior_status, c.deps_left, coalesce(cardinality(t.children), 0) + c.late as dependents, c.late > 0 as grown
    from counted c join task_state h on h.id = any (array[c.id]) join task t on t.id = any (array[c.id])
    where h.status = 1 and h.end_time is not null
  ), u as (
    -- A join that may succeed at once does so last: until then it counts as one that has not ended.
    update task_state h set
      status = case when s.deps_left > 0 or (h.execution = 3 and coalesce(h.start_time <= now_time, true)) then 1 else 2 end, end_time = null,
      -- A start time still to come of one that was claimed before is that of a back-off, which is over with this.
      start_time = case when h.attempt = 0 then h.start_time end,
      deps_left = s.deps_left, dependents = s.dependents, grown = s.grown, skip = false, released = h.attempt, requeued = 0, edits = h.edits + 1,
      retry_time = now_time, total_deadline = now_time + h.total_timeout_ms * interval '1 millisecond',
      worker = null, claim_time = null, run_time = null, activity_time = null, lease_until = null
    from stand s where h.id = any (array[s.id])
    returning h.id, h.batch_id, s.prior_status, case when h.status = 1 and s.deps_left = 0 then 6 else h.status end::smallint as status,
      h.attempt, h.queue, h.dependents, h.total_deadline
  ), watched as (
    insert into timer (due, task_ids, attempts) select total_deadline, array_agg(id), array_agg(-1) from u where total_deadline is not null group by total_deadline
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers, array_agg(id) filter (where status = 2) pending,
    array_agg(id) filter (where status = 6) joined, array_agg(id) filter (where status = 6 and dependents > 0) ended into moved from u;
  o_taken := coalesce(moved.ids, '{}');
  -- Claims pass over what might start, while it is locked.
  o_ready := array(select distinct h.queue from unnest(locked) x(id) join task_state h on h.id = any (array[x.id]) where h.status = 2);

  if moved.ids is not null then
    if exists (select from dedupe_shape) then
      update dedupe_key set ended = false where ctid = any (array(
        select k.place from unnest(moved.ids) x(id) join task t on t.id = any (array[x.id]) cross join lateral mp_dedupe_hashes(t.namespace_id, t.queue, t.metadata) d
          cross join lateral (
            select q.ctid as place from dedupe_key q where q.shape = d.shape and q.hash = d.hash and q.task_id = t.id and q.ended offset 0) k));
    end if;
    changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
    again := mp_wait_again(moved.ids);
    changes := mp_concat(changes, again.o_changes);
    if moved.pending is not null then
      o_ready := o_ready || mp_enqueue(moved.pending, now_time);
    end if;
    if moved.joined is not null then
      update task_state h set status = 6, end_time = now_time where h.id = any (moved.joined);
    end if;
    if moved.ended is not null or cardinality(again.o_parents) > 0 then
      settled := mp_settle(coalesce(moved.ended, '{}'), array_fill(6::smallint, array[coalesce(cardinality(moved.ended), 0)]),
        again.o_parents, again.o_parent_statuses, again.o_children, again.o_conditions, false, now_time, changes);
      changes := settled.p_changes;
      o_ready := o_ready || settled.o_ready;
    end if;
    perform from batch_state b where b.batch_id = any (changes.batch_ids) order by b.batch_id for update;
    with b as (
      update batch_state b set status = 1, prior_status = b.status, end_time = null where b.batch_id = any (moved.batch_ids) and b.status > 2 returning b.batch_id, b.prior_status
    ), forgotten as (
      update batch set stop_reason = null from b where batch.id = any (array[b.batch_id]) and batch.stop_reason is not null
    )
    select array_agg(5::smallint) types, array_agg(batch_id) batch_ids, array_agg(0::bigint) ids, array_agg(prior_status) from_statuses, array_agg(1::smallint) to_statuses,
      array_agg(0) zeros into reopened from b;
    changes := mp_concat(row(reopened.types, reopened.batch_ids, reopened.ids, reopened.from_statuses, reopened.to_statuses, reopened.zeros, reopened.zeros, reopened.zeros, null, null), changes);
    appended := mp_append_event(changes);
    o_follow_ups := appended.o_follow_ups;
    if appended.o_wake then o_ready := o_ready || 0; end if;
  end if;
  o_count := cardinality(o_taken);
  if p_batch is not null then
    o_batch := mp_batch_json(p_batch);
    o_taken := '{}';
  end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}'), coalesce(array_agg(b.parent), '{}') into o_refused, o_refused_statuses, o_blockers
  from mp_refused(p_ids, o_taken) r left join unnest(blocked, blockers) b(id, parent) on b.id = any (array[r.id]);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object(
    'taken', o_taken::text[], 'count', o_count, 'refused', o_refused::text[], 'statuses', o_refused_statuses, 'blockers', o_blockers::text[], 'batch', o_batch));
end $$;
