-- Ends a transaction that creates graphs: writes their batches, the event and the answers of their request_ids. Arrays by graph and by task as in mp_create_graphs.
-- p_answers: what is kept for a repetition, as mp_kept_create makes it whole; or, of large graphs and as servers of before give it, what a repetition is told of the tasks.
-- p_tight: the lanes of tasks that may start which are tight (mp_tight_lanes). Raises MP006 where what starts (p_workers) finds no room under its rules.
create or replace function mp_write_batches(
  p_namespace integer, p_time timestamptz,
  p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[],
  p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[],
  p_request_ids text[], p_hashes bytea[], p_answers jsonb[],
  p_ids bigint[], p_batch_ids bigint[], p_queues integer[], p_statuses smallint[], p_workers integer[], p_limited boolean[], p_lanes bigint[], p_tight bigint[]
) returns void language plpgsql as $$
declare
  started record;
  limited record;
  fresh bigint[] := '{}';
  moves mp_moves := row('{}', '{}', '{}');
  n_batches integer := cardinality(p_batches);
  n_tasks integer := cardinality(p_ids);
  batch_statuses smallint[] := array(select (case when x then 2 else 1 end)::smallint from unnest(p_paused) x);
begin
  insert into batch (id, namespace_id, create_time, name, metadata, on_complete)
  select x.id, p_namespace, p_time, x.name, x.metadata::jsonb, x.on_complete from (
    select unnest(p_batches) as id, unnest(p_batch_names) as name, unnest(p_batch_metadatas) as metadata, unnest(p_on_completes) as on_complete
  ) x;
  insert into batch_state (batch_id, open, status, on_complete, attentive, limited, total, waiting, running, pending, expected_count)
  select x.id, x.open, case when x.paused then 2 else 1 end, coalesce(x.on_complete, 0), coalesce(x.attentive, false), coalesce(x.limited, false), x.total, x.waiting, x.running,
    x.total - x.waiting - x.running, x.expected
  from (
    select unnest(p_batches) as id, unnest(p_open) as open, unnest(p_paused) as paused, unnest(p_on_complete_counts) as on_complete, unnest(p_attentive) as attentive, unnest(p_limited) as limited,
      unnest(p_totals) as total, unnest(p_waiting) as waiting, unnest(p_running) as running, unnest(p_batch_expected) as expected
  ) x;
  if true = any (p_paused) then
    insert into paused_batch (batch_id) select x.id from unnest(p_batches, p_paused) x(id, paused) where x.paused;
  end if;
  insert into batch_queue (queue, batch_id) select distinct x.queue, x.batch_id from (select unnest(p_queues) as queue, unnest(p_batch_ids) as batch_id) x;
  if p_workers is not null then
    select array_agg(x.id) as ids, array_agg(x.batch_id) as batch_ids, array_agg(x.queue) as queues, array_agg(x.worker) as workers, count(*)::integer as n
    into started from unnest(p_ids, p_batch_ids, p_queues, p_workers) x(id, batch_id, queue, worker) where x.worker is not null;
  else
    select null::bigint[] as ids, null::bigint[] as batch_ids, null::integer[] as queues, null::integer[] as workers, 0 as n into started;
  end if;
  if true = any (p_limited) then
    if started.n > 0 then
      -- As a claim does it; of lanes with rules of capacity, nothing is started here.
      select array_agg(x.id) as ids, array_agg(x.lane) as lanes into limited from unnest(p_ids, p_workers, p_lanes) x(id, worker, lane) where x.worker is not null and x.lane is not null;
      select coalesce(array_agg(g.lane), '{}'), array_agg(g.n), array_agg(0) into moves.lanes, moves.holders, moves.amounts from (
        select x.lane, count(*) as n from unnest(limited.lanes) x(lane) group by x.lane) g;
      if limited.ids is not null then
        perform mp_keep_holds(limited.ids, limited.lanes, cardinality(moves.lanes), p_time);
      end if;
    end if;
    if p_tight is not null then
      fresh := array(select x.id from unnest(p_ids, p_statuses, p_lanes) x(id, status, lane) where x.status = 2 and (x.lane in (select t.lane from unnest(p_tight) t(lane))) is true);
      -- Where there was room for thousands when they were written.
      update ready r set lane = h.lane from unnest(fresh) x(id) join task_state h on h.id = any (array[x.id])
      where r.queue = h.queue and r.rank = -h.priority and r.flow = coalesce(h.flow, 0) and r.id = any (array[h.id]) and r.lane is null;
    end if;
    if fresh <> '{}' or moves.lanes <> '{}' then
      perform mp_apply_rules(null, p_time, fresh, false, moves);
    end if;
  end if;
  -- The last act, as mp_append_event does it: the batches, the tasks, and what started.
  if started.n = 0 then
    insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers)
    values (nextval('event_seq'), clock_timestamp(), array_fill(5::smallint, array[n_batches]) || 1::smallint, mp_trim(p_batches || p_batch_ids),
      array_fill(0::bigint, array[n_batches]) || p_ids, '{0}', batch_statuses || mp_trim(p_statuses), '{0}', mp_trim(array_fill(coalesce(p_queues[1], 0), array[n_batches]) || p_queues), '{0}');
  else
    insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers)
    values (nextval('event_seq'), clock_timestamp(), array_fill(5::smallint, array[n_batches]) || array_fill(1::smallint, array[n_tasks]) || 2::smallint,
      mp_trim(p_batches || p_batch_ids || started.batch_ids), array_fill(0::bigint, array[n_batches]) || p_ids || started.ids,
      array_fill(0::smallint, array[n_batches + n_tasks]) || 2::smallint,
      batch_statuses || array_replace(p_statuses, 4::smallint, 2::smallint) || 4::smallint, array_fill(0, array[n_batches + n_tasks]) || 1,
      mp_trim(array_fill(coalesce(p_queues[1], 0), array[n_batches]) || p_queues || started.queues), array_fill(0, array[n_batches + n_tasks]) || mp_trim(started.workers));
  end if;
  if p_request_ids is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    select p_namespace, x.request_id, now(), x.hash, case when x.answer ? 'new_batch' then x.answer else (
      select jsonb_build_object('batch', mp_batch_json(x.batch_id), 'answer', x.answer, 'moved', jsonb_agg(s.id::text), 'moved_to', jsonb_agg(4))
      from unnest(started.ids, started.batch_ids) s(id, batch_id) where s.batch_id = x.batch_id) end
    from (select unnest(p_batches) as batch_id, unnest(p_request_ids) as request_id, unnest(p_hashes) as hash, unnest(p_answers) as answer) x
    where x.request_id is not null order by x.request_id;
  end if;
end $$;
