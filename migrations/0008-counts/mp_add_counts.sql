-- Adds to the counters of tasks what producers and calls have sent, all of it or nothing. p_ids ascend, each once, with the sums of what is added.
-- p_producers, in an order that all servers keep: whose messages p_firsts to p_lasts are in these sums. p_request_ids: of the calls that are in them.
-- Where one of these messages, or calls, is in the database already, o_repeated or o_answered tell which, and nothing is added: the caller leaves them out.
-- Otherwise o_refused are the tasks to which nothing was added: 0 there is none, 6 to 9 it has ended so, -1 its counter would be beyond 64 bits.
-- A count is a sign of life of a task that is being executed.
create function mp_add_counts(p_namespace integer, p_producers text[], p_firsts bigint[], p_lasts bigint[], p_request_ids text[], p_hashes bytea[],
  p_ids bigint[], p_successes bigint[], p_failures bigint[],
  out o_repeated text[], out o_repeated_lasts bigint[], out o_answered text[], out o_refused bigint[], out o_refused_statuses smallint[])
language plpgsql as $$
declare
  now_time timestamptz;
  found_producers integer;
  d_ids bigint[] := p_ids;
  d_successes bigint[] := p_successes;
  d_failures bigint[] := p_failures;
  is_late boolean := false;
  taken bigint[] := '{}';
  moved record;
  changes mp_changes;
  added_successes bigint[];
  added_failures bigint[];
begin
  if cardinality(p_producers) > 0 then
    insert into count_producer (namespace_id, producer_id, last_sequence, use_time)
    select p_namespace, x.id, 0, clock_timestamp() from unnest(p_producers) x(id)
    where not exists (select from count_producer c where c.producer_id = x.id and c.namespace_id = p_namespace offset 0) on conflict do nothing;
    -- Who sends the same counts by another server waits here, and sees below that they are in.
    with locked as materialized (
      select c.producer_id, c.last_sequence, x.first from unnest(p_producers, p_firsts) x(id, first) cross join lateral (
        select q.producer_id, q.last_sequence from count_producer q where q.producer_id = x.id and q.namespace_id = p_namespace offset 0 for update) c
    )
    select count(*), array_agg(producer_id) filter (where last_sequence >= first), array_agg(last_sequence) filter (where last_sequence >= first)
    into found_producers, o_repeated, o_repeated_lasts from locked;
    if found_producers < cardinality(p_producers) then
      raise exception using errcode = '40001', message = 'a producer was forgotten just now';
    end if;
  end if;
  if cardinality(p_request_ids) > 0 then
    delete from request where namespace_id = p_namespace and request_id = any (p_request_ids) and create_time < now() - interval '24 hours';
    select array_agg(request_id) into o_answered from request where namespace_id = p_namespace and request_id = any (p_request_ids);
  end if;
  if o_repeated is not null or o_answered is not null then return; end if;

  now_time := clock_timestamp();
  o_refused := '{}';
  o_refused_statuses := '{}';
  loop
    -- First those that are owned or may start, by id; then, where there are others, those that wait or are held.
    with u as (
      update task_state h set success_count = h.success_count + x.s, failure_count = h.failure_count + x.f, prior_status = 0,
        activity_time = case when h.status in (3, 4) then now_time else h.activity_time end
      from unnest(d_ids, d_successes, d_failures) x(id, s, f)
      where h.id = any (array[x.id]) and h.status < 6 and (is_late or h.status in (2, 3, 4))
        and h.success_count <= 9223372036854775807 - x.s and h.failure_count <= 9223372036854775807 - x.f
      returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.worker, h.success_count, h.failure_count, x.s, x.f
    )
    select array_agg(id) as taken, array_agg(id) filter (where s + f::numeric > 0) as ids, array_agg(batch_id) filter (where s + f::numeric > 0) as batch_ids,
      array_agg(status) filter (where s + f::numeric > 0) as statuses, array_agg(attempt) filter (where s + f::numeric > 0) as attempts,
      array_agg(queue) filter (where s + f::numeric > 0) as queues, array_agg(coalesce(worker, 0)) filter (where s + f::numeric > 0) as workers,
      array_agg(success_count) filter (where s + f::numeric > 0) as success_counts, array_agg(failure_count) filter (where s + f::numeric > 0) as failure_counts,
      array_agg(s) filter (where s + f::numeric > 0) as successes, array_agg(f) filter (where s + f::numeric > 0) as failures
    into moved from u;
    taken := taken || moved.taken;
    if moved.ids is not null then
      changes := row(array[4::smallint], changes.batch_ids || moved.batch_ids, changes.task_ids || moved.ids, changes.from_statuses || moved.statuses,
        changes.to_statuses || moved.statuses, changes.attempts || moved.attempts, changes.queues || moved.queues, changes.workers || moved.workers,
        changes.success_counts || moved.success_counts, changes.failure_counts || moved.failure_counts);
      added_successes := added_successes || moved.successes;
      added_failures := added_failures || moved.failures;
    end if;
    exit when cardinality(taken) = cardinality(p_ids);
    with left_over as (
      select id, max(s) as s, max(f) as f from (
        select x.id, x.s, x.f, false as taken from unnest(p_ids, p_successes, p_failures) x(id, s, f) union all select x.id, 0, 0, true from unnest(taken) x(id)
      ) x group by id having not bool_or(x.taken)
    ), judged as (
      select l.id, l.s, l.f, h.status, (h.status < 6 and h.success_count <= 9223372036854775807 - l.s and h.failure_count <= 9223372036854775807 - l.f) is true as goes
      from left_over l left join task_state h on h.id = any (array[l.id])
    )
    select array_agg(id order by id) filter (where goes), array_agg(s order by id) filter (where goes), array_agg(f order by id) filter (where goes),
      coalesce(array_agg(id order by id) filter (where not goes), '{}'),
      coalesce(array_agg((case when status is null then 0 when status < 6 then -1 else status end)::smallint order by id) filter (where not goes), '{}')
    into d_ids, d_successes, d_failures, o_refused, o_refused_statuses from judged;
    exit when d_ids is null;
    perform mp_lock_tasks(d_ids, true);
    is_late := true;
  end loop;

  if cardinality(p_producers) > 0 then
    update count_producer c set last_sequence = x.last, use_time = now_time
    from unnest(p_producers, p_lasts) x(id, last) cross join lateral (
      select q.ctid as place from count_producer q where q.producer_id = x.id and q.namespace_id = p_namespace offset 0) q where c.ctid = q.place;
  end if;
  if changes.task_ids is not null then
    update batch_state b set success_count = b.success_count + d.s, failure_count = b.failure_count + d.f, prior_status = 0
    from (select x.batch_id, sum(x.s) as s, sum(x.f) as f from unnest(changes.batch_ids, added_successes, added_failures) x(batch_id, s, f)
      group by x.batch_id order by x.batch_id) d where b.batch_id = any (array[d.batch_id]);
    perform mp_append_event(changes);
  end if;
  if cardinality(p_request_ids) > 0 then
    -- After the event, as all calls do. What was refused of others is not in the request that is repeated, and does it no harm.
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    select p_namespace, x.id, now(), x.hash, jsonb_build_object('refused', o_refused::text[], 'statuses', o_refused_statuses)
    from unnest(p_request_ids, p_hashes) x(id, hash);
  end if;
end $$;
