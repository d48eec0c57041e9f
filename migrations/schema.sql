-- The schema of a freshly migrated database.
-- Written by `npm run schema`: to change it, add a migration and run that again.

create sequence event_seq as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1;

create sequence id_block as bigint increment 1 minvalue 1 maxvalue 9223372036854775807 start 1 cache 1;

create sequence migration_id_seq as integer increment 1 minvalue 1 maxvalue 2147483647 start 1 cache 1 owned by migration.id;

create table batch (
  id bigint not null,
  namespace_id integer not null,
  create_time timestamp with time zone not null,
  name text not null,
  metadata jsonb not null,
  stop_reason text,
  constraint batch_pkey PRIMARY KEY (id)
);

create table batch_queue (
  queue integer not null,
  batch_id bigint not null,
  constraint batch_queue_pkey PRIMARY KEY (queue, batch_id)
);

create table batch_state (
  batch_id bigint not null,
  end_time timestamp with time zone,
  success_count bigint not null default 0,
  failure_count bigint not null default 0,
  expected_count bigint,
  total integer not null default 0,
  waiting integer not null default 0,
  pending integer not null default 0,
  claimed integer not null default 0,
  running integer not null default 0,
  paused integer not null default 0,
  success integer not null default 0,
  failure integer not null default 0,
  canceled integer not null default 0,
  skipped integer not null default 0,
  status smallint not null default 1,
  prior_status smallint not null default 0,
  open boolean not null,
  constraint batch_state_pkey PRIMARY KEY (batch_id),
  constraint batch_state_counts CHECK (LEAST(waiting, pending, claimed, running, paused, success, failure, canceled, skipped) >= 0 AND (waiting + pending + claimed + running + paused + success + failure + canceled + skipped) = total)
) with (
  fillfactor = 40
);

create table edge_late (
  parent bigint not null,
  child bigint not null,
  condition smallint not null,
  constraint edge_late_pkey PRIMARY KEY (parent, child)
);

create table event_tx (
  seq bigint not null,
  commit_time timestamp with time zone not null,
  types smallint[] not null,
  batch_ids bigint[] not null,
  task_ids bigint[] not null,
  from_statuses smallint[] not null,
  to_statuses smallint[] not null,
  attempts integer[] not null,
  queues integer[] not null,
  workers integer[] not null,
  success_counts bigint[],
  failure_counts bigint[],
  constraint event_tx_pkey PRIMARY KEY (seq)
);

create table instance (
  singleton boolean not null default true,
  uuid_salt bigint not null,
  handle_secret bytea not null,
  create_time timestamp with time zone not null default now(),
  constraint instance_pkey PRIMARY KEY (singleton),
  constraint instance_singleton CHECK (singleton)
);

create table migration (
  id integer not null default nextval('migration_id_seq'::regclass),
  name character varying(255) not null,
  executed_at timestamp(6) with time zone not null default CURRENT_TIMESTAMP(6),
  constraint migration_pkey PRIMARY KEY (id)
);

create table namespace (
  id integer not null,
  name text not null,
  constraint namespace_pkey PRIMARY KEY (id),
  constraint namespace_name_key UNIQUE (name)
);

create table queue (
  id integer not null generated always as identity,
  namespace_id integer not null,
  kind text not null,
  execution smallint not null,
  labels jsonb not null default '{}'::jsonb,
  constraint queue_pkey PRIMARY KEY (id),
  constraint queue_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id),
  constraint queue_execution_known CHECK (execution >= 1 AND execution <= 3)
);
CREATE UNIQUE INDEX queue_natural_key ON queue USING btree (namespace_id, kind, execution, md5(labels::text));

create table ready (
  queue integer not null,
  rank smallint not null,
  id bigint not null,
  constraint ready_pkey PRIMARY KEY (queue, rank, id)
);

create table request (
  namespace_id integer not null,
  request_id text not null,
  create_time timestamp with time zone not null,
  body_hash bytea not null,
  result jsonb not null,
  constraint request_pkey PRIMARY KEY (namespace_id, request_id)
);
CREATE INDEX request_create_time ON request USING btree (create_time);

create table task (
  id bigint not null,
  batch_id bigint not null,
  open_batch_id bigint,
  create_time timestamp with time zone not null,
  expected_count bigint,
  namespace_id integer not null,
  queue integer not null,
  key text,
  name text not null,
  parents bigint[],
  parent_conditions smallint[],
  children bigint[],
  child_conditions smallint[],
  metadata jsonb,
  input text,
  spec text,
  constraint task_pkey PRIMARY KEY (id)
);
CREATE INDEX task_batch ON task USING btree (batch_id, id);
CREATE UNIQUE INDEX task_open_batch_key ON task USING btree (open_batch_id, key) WHERE open_batch_id IS NOT NULL AND key IS NOT NULL;

create table task_attempt (
  task_id bigint not null,
  attempt integer not null,
  status smallint,
  cause smallint,
  worker integer,
  parent_id bigint,
  start_time timestamp with time zone,
  end_time timestamp with time zone,
  message text,
  code text,
  details text,
  output text,
  progress text,
  constraint task_attempt_pkey PRIMARY KEY (task_id, attempt)
);

create table task_state (
  id bigint not null,
  batch_id bigint not null,
  start_time timestamp with time zone,
  lease_until timestamp with time zone,
  claim_time timestamp with time zone,
  run_time timestamp with time zone,
  activity_time timestamp with time zone,
  end_time timestamp with time zone,
  success_count bigint not null default 0,
  failure_count bigint not null default 0,
  inactivity_timeout_ms bigint not null,
  deps_left integer not null,
  dependents integer not null,
  worker integer,
  queue integer not null,
  attempt integer not null default 0,
  released integer not null default 0,
  start_timeout_ms integer not null,
  status smallint not null,
  prior_status smallint not null default 0,
  priority smallint not null,
  max_attempts smallint not null default 1,
  execution smallint not null,
  unmet_policy smallint not null,
  skip boolean not null default false,
  grown boolean not null default false,
  cascades boolean not null default false,
  constraint task_state_pkey PRIMARY KEY (id),
  constraint task_state_deps_left CHECK (deps_left >= 0)
) with (
  fillfactor = 50
);

create table timer (
  due timestamp with time zone not null,
  id bigint not null generated always as identity,
  task_ids bigint[] not null,
  attempts integer[] not null,
  constraint timer_pkey PRIMARY KEY (due, id)
);

create table worker (
  id integer not null generated always as identity,
  namespace_id integer not null,
  name text not null,
  create_time timestamp with time zone not null default now(),
  constraint worker_pkey PRIMARY KEY (id),
  constraint worker_name_key UNIQUE (namespace_id, name),
  constraint worker_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id)
);

CREATE OR REPLACE FUNCTION public.mp_append_event(p mp_changes, p_batches bigint[] DEFAULT '{}'::bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  ended record;
begin
  with change as (
    select x.batch_id, x.type, x.f, x.t from unnest(p.batch_ids, p.types, p.from_statuses, p.to_statuses) x(batch_id, type, f, t)
    where x.type <= 3
    union all
    select b, 0::smallint, 0::smallint, 0::smallint from unnest(p_batches) b
  ), delta as (
    select batch_id,
      count(*) filter (where type = 1)::integer created,
      (count(*) filter (where t = 1) - count(*) filter (where f = 1))::integer waiting,
      (count(*) filter (where t = 2) - count(*) filter (where f = 2))::integer pending,
      (count(*) filter (where t = 3) - count(*) filter (where f = 3))::integer claimed,
      (count(*) filter (where t = 4) - count(*) filter (where f = 4))::integer running,
      (count(*) filter (where t = 5) - count(*) filter (where f = 5))::integer paused,
      (count(*) filter (where t = 6) - count(*) filter (where f = 6))::integer success,
      (count(*) filter (where t = 7) - count(*) filter (where f = 7))::integer failure,
      (count(*) filter (where t = 8) - count(*) filter (where f = 8))::integer canceled,
      (count(*) filter (where t = 9) - count(*) filter (where f = 9))::integer skipped
    from change group by batch_id order by batch_id
  ), applied as (
    update batch_state b set
      total = b.total + d.created,
      waiting = b.waiting + d.waiting,
      pending = b.pending + d.pending,
      claimed = b.claimed + d.claimed,
      running = b.running + d.running,
      paused = b.paused + d.paused,
      success = b.success + d.success,
      failure = b.failure + d.failure,
      canceled = b.canceled + d.canceled,
      skipped = b.skipped + d.skipped,
      prior_status = 0
    from delta d where b.batch_id = any (array[d.batch_id])
    returning b.batch_id, b.status, b.open, b.failure, b.canceled,
      b.waiting + b.pending + b.claimed + b.running + b.paused as unfinished
  )
  select array_agg(batch_id order by batch_id) ids,
    array_agg((case when failure > 0 then 4 when canceled > 0 then 5 else 3 end)::smallint order by batch_id) statuses
  into ended from applied where status in (1, 2) and not open and unfinished = 0;

  if ended.ids is not null then
    with e as (
      update batch_state b set status = x.status, prior_status = b.status, end_time = clock_timestamp()
      from unnest(ended.ids, ended.statuses) x(batch_id, status) where b.batch_id = any (array[x.batch_id])
      returning b.batch_id, b.prior_status, b.status
    )
    select p.types || array_agg(5::smallint), p.batch_ids || array_agg(e.batch_id), p.task_ids || array_agg(0::bigint),
      p.from_statuses || array_agg(e.prior_status), p.to_statuses || array_agg(e.status), p.attempts || array_agg(0),
      p.queues || array_agg(0), p.workers || array_agg(0), p.success_counts, p.failure_counts
    into p from e;
  end if;

  if cardinality(p.task_ids) > 0 then
    insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers,
      success_counts, failure_counts)
    values (nextval('event_seq'), clock_timestamp(), p.types, p.batch_ids, p.task_ids, p.from_statuses, p.to_statuses, p.attempts,
      p.queues, p.workers, p.success_counts, p.failure_counts);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_batch_json(p_batch bigint)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
  select to_jsonb(s) || jsonb_build_object('batch_id', b.id::text, 'name', b.name, 'metadata', b.metadata, 'create_time', b.create_time, 'stop_reason', b.stop_reason,
    'success_count', s.success_count::text, 'failure_count', s.failure_count::text, 'expected_count', s.expected_count::text)
  from batch b join batch_state s on s.batch_id = b.id where b.id = p_batch
$function$;

CREATE OR REPLACE FUNCTION public.mp_cancel(p_ids bigint[], p_reason text, p_late_only boolean, p_time timestamp with time zone, INOUT p_changes mp_changes, OUT o_ids bigint[], OUT o_from smallint[], OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  moved record;
  settled record;
begin
  o_ids := '{}';
  o_from := '{}';
  o_ready := '{}';
  if p_late_only then
    perform from task_state h where h.id = any (p_ids) and h.status < 6 order by h.status in (1, 5), h.id for update;
  else
    perform from task_state h where h.id = any (p_ids) and h.status in (2, 3, 4) order by h.id for update;
    perform mp_lock_downstream('{}', p_ids, false);
  end if;
  with u as (
    update task_state h set status = 8, prior_status = h.status, end_time = p_time, lease_until = null
    where h.id = any (p_ids) and h.status < 6
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.priority, h.worker, h.run_time, h.dependents
  ), unqueued as (
    -- A claim takes rows of ready before those of tasks: where it holds one, it takes it away itself, and finds the task canceled.
    delete from ready where ctid = any (array(
      select r.ctid from u join ready r on r.queue = any (array[u.queue]) and r.rank = -u.priority and r.id = u.id where u.prior_status = 2 for update of r skip locked
    ))
  ), kept as (
    insert into task_attempt (task_id, attempt, status, worker, start_time, end_time, message)
    select id, attempt, 8, worker, run_time, p_time, p_reason from u
    on conflict (task_id, attempt) do update set status = 8, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg(3::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses,
    array_agg(8::smallint) to_statuses, array_agg(attempt) attempts, array_agg(queue) queues, array_agg(coalesce(worker, 0)) workers,
    array_agg(id) filter (where dependents > 0) ended
  into moved from u;
  if moved.ids is null then return; end if;
  o_ids := moved.ids;
  o_from := moved.from_statuses;
  p_changes := mp_concat(p_changes, row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null));
  if moved.ended is not null then
    select * into settled from mp_settle(moved.ended, array_fill(8::smallint, array[cardinality(moved.ended)]), '{}', '{}', '{}', '{}', p_late_only, p_time, p_changes);
    p_changes := settled.p_changes;
    o_ready := settled.o_ready;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_cancel_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], p_reason text, OUT o_taken bigint[], OUT o_ready integer[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  canceled record;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    return;
  end if;
  select * into canceled from mp_cancel(p_ids, p_reason, false, clock_timestamp(), null::mp_changes);
  o_taken := canceled.o_ids;
  o_ready := canceled.o_ready;
  perform mp_append_event(canceled.p_changes);
  if p_request_id is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    values (p_namespace, p_request_id, now(), p_hash, jsonb_build_object('taken', o_taken::text[]));
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_claim(p_queues integer[], p_max integer, p_worker integer, p_lease_ms integer, OUT o_ids bigint[], OUT o_attempts integer[], OUT o_more boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz;
  taken bigint[];
  seen integer;
  moved record;
begin
  with held as materialized (
    select r.ctid, r.rank, r.id from unnest(p_queues) q(queue) cross join lateral (
      select r.ctid, r.rank, r.id from ready r where r.queue = q.queue order by r.rank, r.id limit p_max for update skip locked
    ) r
  ), gone as (
    delete from ready where ctid = any (array(select ctid from held order by rank, id limit p_max)) returning id
  )
  select (select array_agg(id order by id) from gone), (select count(*) from held) into taken, seen;
  o_more := seen >= p_max;
  o_ids := '{}';
  o_attempts := '{}';
  if taken is null then return; end if;

  -- Later than the commit of whatever made them ready: the times of parents and children are in order.
  now_time := clock_timestamp();
  with u as (
    update task_state h set status = case when p_worker is null then 3 else 4 end, prior_status = h.status, attempt = h.attempt + 1, worker = p_worker,
      claim_time = now_time, run_time = case when p_worker is not null then now_time end, activity_time = now_time,
      lease_until = now_time + case when p_worker is null then h.start_timeout_ms else p_lease_ms end * interval '1 millisecond'
    where h.id = any (taken) and h.status = 2
    returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.lease_until, h.inactivity_timeout_ms
  ), watched as (
    insert into timer (due, task_ids, attempts)
    select min(case when p_worker is null then lease_until else least(lease_until, now_time + inactivity_timeout_ms * interval '1 millisecond') end),
      array_agg(id), array_agg(attempt) from u having count(*) > 0
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(2::smallint) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(coalesce(p_worker, 0)) workers into moved from u;
  if moved.ids is null then return; end if;
  o_ids := moved.ids;
  o_attempts := moved.attempts;
  perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_concat(a mp_changes, b mp_changes)
 RETURNS mp_changes
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select row(a.types || b.types, a.batch_ids || b.batch_ids, a.task_ids || b.task_ids, a.from_statuses || b.from_statuses, a.to_statuses || b.to_statuses,
    a.attempts || b.attempts, a.queues || b.queues, a.workers || b.workers, a.success_counts || b.success_counts, a.failure_counts || b.failure_counts)::mp_changes
$function$;

CREATE OR REPLACE FUNCTION public.mp_create(p_namespace integer, p_batch bigint, p_new boolean, p_name text, p_metadata text, p_open boolean, p_request_id text, p_hash bytea, p_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[], p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamp with time zone[], p_start_timeouts integer[], p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[], p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[], p_late_children bigint[], p_late_parents bigint[], p_late_conditions smallint[], OUT o_result jsonb, OUT o_replayed_hash bytea, OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz;
  living_parents bigint[];
  living_children bigint[];
  living_conditions smallint[];
  ended_parents bigint[];
  ended_statuses smallint[];
  ended_children bigint[];
  ended_conditions smallint[];
  missing bigint;
  settled record;
  joined bigint[];
  joined_queues integer[];
  ready_queues integer[] := '{}';
  changes mp_changes;
  expected bigint;
begin
  select * into o_result, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_result is not null then return; end if;

  if cardinality(p_late_parents) > 0 then
    perform from task_state h where h.id = any (p_late_parents) and h.status < 6 order by h.status in (1, 5), h.id for update;
    update task_state h set dependents = h.dependents + x.n, grown = true, prior_status = 0
    from (select p, count(*)::integer n from unnest(p_late_parents) p group by p) x where h.id = any (array[x.p]) and h.status < 6;
    -- a new statement: it sees those that ended while the locks above were waited for; of the others, none can end now
    select array_agg(x.parent order by x.n) filter (where h.status > 5), array_agg(h.status order by x.n) filter (where h.status > 5),
      array_agg(x.child order by x.n) filter (where h.status > 5), array_agg(x.condition order by x.n) filter (where h.status > 5),
      array_agg(x.parent order by x.n) filter (where h.status < 6), array_agg(x.child order by x.n) filter (where h.status < 6),
      array_agg(x.condition order by x.n) filter (where h.status < 6), min(x.parent) filter (where h.id is null or t.id is null)
    into ended_parents, ended_statuses, ended_children, ended_conditions, living_parents, living_children, living_conditions, missing
    from unnest(p_late_children, p_late_parents, p_late_conditions) with ordinality x(child, parent, condition, n)
      left join task_state h on h.id = any (array[x.parent]) left join task t on t.id = any (array[x.parent]) and t.namespace_id = p_namespace;
    if missing is not null then
      raise exception using errcode = 'MP003', message = 'no such parent', detail = missing::text;
    end if;
  end if;

  now_time := clock_timestamp();
  if p_new then
    insert into batch (id, namespace_id, create_time, name, metadata) values (p_batch, p_namespace, now_time, p_name, p_metadata::jsonb);
    insert into batch_state (batch_id, open) values (p_batch, p_open);
  end if;
  insert into task (id, batch_id, open_batch_id, create_time, expected_count, namespace_id, queue, key, name, parents, parent_conditions,
    children, child_conditions, metadata, input, spec)
  select x.id, p_batch, case when p_open then p_batch end, now_time, x.expected, p_namespace, x.queue, x.key, x.name, x.parents::bigint[],
    x.parent_conditions::smallint[], x.children::bigint[], x.child_conditions::smallint[], x.metadata::jsonb, x.input, x.spec
  from unnest(p_ids, p_queues, p_keys, p_names, p_metadatas, p_inputs, p_specs, p_expected, p_parents, p_parent_conditions, p_children, p_child_conditions)
    x(id, queue, key, name, metadata, input, spec, expected, parents, parent_conditions, children, child_conditions);
  insert into task_state (id, batch_id, start_time, end_time, deps_left, dependents, queue, start_timeout_ms, inactivity_timeout_ms, status, priority, execution, unmet_policy, cascades)
  select x.id, p_batch, x.start_time, case when x.execution = 3 and x.status = 2 and coalesce(x.start_time <= now_time, true) then now_time end,
    x.deps_left, x.dependents, x.queue, x.start_timeout, x.inactivity_timeout,
    case when x.execution = 3 and x.status = 2 and coalesce(x.start_time <= now_time, true) then 6 else x.status end, x.priority, x.execution, x.unmet_policy, x.cascades
  from unnest(p_ids, p_start_times, p_deps_left, p_dependents, p_queues, p_start_timeouts, p_inactivity_timeouts, p_statuses, p_priorities, p_executions, p_unmet_policies, p_cascades)
    x(id, start_time, deps_left, dependents, queue, start_timeout, inactivity_timeout, status, priority, execution, unmet_policy, cascades);
  if 2 = any (p_statuses) then
    with free as materialized (
      select x.* from unnest(p_ids, p_queues, p_priorities, p_start_times, p_statuses, p_executions) x(id, queue, priority, start_time, status, execution) where x.status = 2
    ), queued as (
      insert into ready (queue, rank, id) select queue, -priority, id from free where execution <> 3 and coalesce(start_time <= now_time, true) returning queue
    ), delayed as (
      insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(0) from free where start_time > now_time group by start_time
    )
    select coalesce((select array_agg(distinct queue) from queued), '{}'), array_agg(id) filter (where execution = 3 and coalesce(start_time <= now_time, true)),
      array_agg(queue) filter (where execution = 3 and coalesce(start_time <= now_time, true))
    into ready_queues, joined, joined_queues from free;
  end if;
  if living_parents is not null then
    insert into edge_late (parent, child, condition) select * from unnest(living_parents, living_children, living_conditions);
  end if;

  changes := row(array_fill(1::smallint, array[cardinality(p_ids)]), array_fill(p_batch, array[cardinality(p_ids)]), p_ids,
    array_fill(0::smallint, array[cardinality(p_ids)]), p_statuses, array_fill(0, array[cardinality(p_ids)]), p_queues,
    array_fill(0, array[cardinality(p_ids)]), null, null);
  if p_new then
    changes := mp_concat(row(array[5::smallint], array[p_batch], array[0::bigint], array[0::smallint], array[1::smallint], array[0], array[0], array[0], null, null), changes);
  end if;
  if joined is not null then
    changes := mp_concat(changes, row(array_fill(2::smallint, array[cardinality(joined)]), array_fill(p_batch, array[cardinality(joined)]), joined,
      array_fill(2::smallint, array[cardinality(joined)]), array_fill(6::smallint, array[cardinality(joined)]), array_fill(0, array[cardinality(joined)]),
      joined_queues, array_fill(0, array[cardinality(joined)]), null, null));
  end if;
  if joined is not null or ended_parents is not null then
    select * into settled from mp_settle(coalesce(joined, '{}'), array_fill(6::smallint, array[coalesce(cardinality(joined), 0)]),
      ended_parents, ended_statuses, ended_children, ended_conditions, false, now_time, changes);
    changes := settled.p_changes;
    ready_queues := ready_queues || settled.o_ready;
  end if;

  select sum(e) into expected from unnest(p_expected) e;
  if not p_new then
    perform from batch_state b join batch on batch.id = b.batch_id
    where b.batch_id = p_batch and batch.namespace_id = p_namespace and b.open and b.status in (1, 2) for update of b;
    if not found then
      if exists (select from batch where id = p_batch and namespace_id = p_namespace) then
        raise exception using errcode = 'MP002', message = 'batch is sealed';
      end if;
      raise exception using errcode = 'MP001', message = 'no such batch';
    end if;
  end if;
  if expected is not null then
    update batch_state set expected_count = coalesce(expected_count, 0) + expected where batch_id = p_batch;
  end if;
  insert into batch_queue (queue, batch_id) select distinct q, p_batch from unnest(p_queues) q order by q on conflict do nothing;
  perform mp_append_event(changes, array[p_batch]);
  o_ready := ready_queues;
  select jsonb_build_object('batch', mp_batch_json(p_batch), 'moved', array_agg(x.id::text order by x.n), 'moved_to', array_agg(x.to_status order by x.n))
  into o_result from unnest(changes.task_ids, changes.types, changes.to_statuses) with ordinality x(id, type, to_status, n) where x.type in (2, 3);
  if p_request_id is not null then
    -- After the event: a call with the same request_id that came first makes this one fail here, and then nothing of it is seen.
    o_result := o_result || jsonb_build_object('ids', p_ids::text[]);
    insert into request (namespace_id, request_id, create_time, body_hash, result) values (p_namespace, p_request_id, now_time, p_hash, o_result);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_extend_leases(p_ids bigint[], p_attempts integer[], p_worker integer, p_lease_ms integer)
 RETURNS TABLE(o_task_id bigint, o_lease_until timestamp with time zone)
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
begin
  return query update task_state h set lease_until = greatest(h.lease_until, now_time + p_lease_ms * interval '1 millisecond'), activity_time = now_time, prior_status = 0
  from unnest(p_ids, p_attempts) x(id, attempt)
  where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt and h.worker = p_worker
  returning h.id, h.lease_until;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_find_request(p_namespace integer, p_request_id text, OUT o_result jsonb, OUT o_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
begin
  if p_request_id is null then return; end if;
  delete from request where namespace_id = p_namespace and request_id = p_request_id and create_time < now() - interval '24 hours';
  select result, body_hash into o_result, o_hash from request where namespace_id = p_namespace and request_id = p_request_id;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_fire_timers(p_rows integer, OUT o_rows integer, OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  ids bigint[];
  attempts integer[];
  moved record;
  settled record;
  changes mp_changes;
begin
  o_ready := '{}';
  with due as (
    select t.ctid from timer t where t.due <= now_time order by t.due, t.id limit p_rows for update skip locked
  ), gone as (
    delete from timer t where t.ctid = any (array(select ctid from due)) returning t.task_ids, t.attempts
  ), task as (
    select distinct x.id, x.attempt from gone, unnest(gone.task_ids, gone.attempts) x(id, attempt)
  )
  select array_agg(id order by id, attempt), array_agg(attempt order by id, attempt), (select count(*) from gone) into ids, attempts, o_rows from task;
  if ids is null then return; end if;

  with live as (
    select h.id, h.attempt, h.execution, h.status, h.lease_until, h.max_attempts + h.released as max_attempts, h.start_time, h.worker, h.run_time,
      case when h.status = 4 then least(h.lease_until, h.activity_time + h.inactivity_timeout_ms * interval '1 millisecond') when h.status = 3 then h.lease_until else h.start_time end as due
    from unnest(ids, attempts) x(id, attempt) join task_state h on h.id = any (array[x.id]) where h.attempt = x.attempt and (h.status in (3, 4) or (h.status = 2 and h.start_time is not null))
    order by x.id for update of h
  ), put_off as (
    insert into timer (due, task_ids, attempts) select date_trunc('second', min(due)) + interval '1 second', array_agg(id), array_agg(attempt)
    from live where due > now_time group by date_trunc('second', due)
  ), verdict as materialized (
    select id, worker, run_time,
      (case when status = 2 then case when execution = 3 then 6 else 2 end
        when lease_until <= now_time and attempt < max_attempts + 3 then 2
        else 7 end)::smallint as status,
      case when status = 2 then null when lease_until <= now_time then case when status = 3 then 3 else 8 end else 4 end as cause
    from live where due <= now_time
  ), u as (
    update task_state h set status = v.status, prior_status = case when v.status <> h.status then h.status else 0 end, lease_until = null,
      end_time = case when v.status in (6, 7) then now_time end,
      worker = case when v.status = 7 then h.worker end, claim_time = case when v.status = 7 then h.claim_time end, run_time = case when v.status = 7 then h.run_time end,
      activity_time = case when v.status = 7 then h.activity_time end
    from verdict v where h.id = any (array[v.id])
    returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.dependents, v.worker, v.run_time, v.cause
  ), queued as (
    insert into ready (queue, rank, id) select queue, -priority, id from u where status = 2 on conflict do nothing
  ), kept as (
    insert into task_attempt (task_id, attempt, status, cause, worker, start_time, end_time, message)
    select id, attempt, 7, cause, worker, run_time, now_time,
      case cause when 3 then 'the start webhook was not answered within start_timeout' when 8 then 'the lease ran out' else 'no sign of life for inactivity_timeout' end
    from u where cause is not null
    on conflict (task_id, attempt) do update set status = 7, cause = excluded.cause, worker = excluded.worker, start_time = excluded.start_time, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg((case when cause is not null then 3 else 2 end)::smallint order by id) filter (where prior_status <> 0) types,
    array_agg(batch_id order by id) filter (where prior_status <> 0) batch_ids, array_agg(id order by id) filter (where prior_status <> 0) ids,
    array_agg(prior_status order by id) filter (where prior_status <> 0) from_statuses, array_agg(status order by id) filter (where prior_status <> 0) to_statuses,
    array_agg(attempt order by id) filter (where prior_status <> 0) attempts, array_agg(queue order by id) filter (where prior_status <> 0) queues,
    array_agg(coalesce(worker, 0) order by id) filter (where prior_status <> 0) workers, coalesce(array_agg(distinct queue) filter (where status = 2), '{}') ready,
    array_agg(id order by id) filter (where status > 5 and dependents > 0) ended, array_agg(status order by id) filter (where status > 5 and dependents > 0) ended_statuses
  into moved from u;
  o_ready := moved.ready;
  if moved.ids is null then return; end if;
  changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
  if moved.ended is not null then
    select * into settled from mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes);
    changes := settled.p_changes;
    o_ready := o_ready || settled.o_ready;
  end if;
  perform mp_append_event(changes);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_lock_downstream(p_ids bigint[], p_children bigint[], p_late_only boolean, p_statuses smallint[] DEFAULT NULL::smallint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform h.id from task_state h where h.status in (1, 5) and h.id = any (array(
    with recursive down(id, unmet, further) as (
      select e.child, s.unmet, s.unmet or h.execution = 3 from unnest(p_ids, p_statuses) x(id, status) cross join lateral (
        select c.child, coalesce(c.condition, 1::smallint) from task t, unnest(t.children, t.child_conditions) c(child, condition)
        where t.id = any (array[x.id]) and not p_late_only
        union all
        select l.child, l.condition from edge_late l where l.parent = any (array[x.id])
      ) e(child, condition) join task_state h on h.id = any (array[e.child])
        cross join lateral (select case when x.status = 6 then e.condition = 3 else e.condition <> 2 end or h.skip) s(unmet)
      union
      select c, true, true from unnest(p_children) c
      union
      select e.child, s.unmet, s.unmet or h.execution = 3 from down d cross join lateral (
        select c.child, coalesce(c.condition, 1::smallint) from task t, unnest(t.children, t.child_conditions) c(child, condition) where t.id = any (array[d.id])
        union all
        select l.child, l.condition from edge_late l where l.parent = any (array[d.id])
      ) e(child, condition) join task_state h on h.id = any (array[e.child])
        cross join lateral (select case when d.unmet then e.condition <> 2 else e.condition = 3 end or h.skip) s(unmet)
      where d.further
    )
    select id from down))
  order by h.id for update;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_outcome(status smallint, deps_left integer, unmet_policy smallint, unmet_success bigint, unmet_failure bigint, skip boolean, execution smallint, delayed boolean)
 RETURNS smallint
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select (case
    when (unmet_success is not null and unmet_policy <> 2) or (unmet_failure is not null and unmet_policy = 1) then 7
    when deps_left > 0 then status
    when skip or unmet_success is not null or unmet_failure is not null then 9
    when status = 5 then 5
    when execution = 3 and delayed is not true then 6
    else 2 end)::smallint
$function$;

CREATE OR REPLACE FUNCTION public.mp_release(p_ids bigint[], p_attempts integer[], OUT o_ready integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
declare
  moved record;
begin
  with u as (
    update task_state h set status = 2, prior_status = h.status, released = h.released + 1, worker = null, claim_time = null, run_time = null, activity_time = null, lease_until = null
    from unnest(p_ids, p_attempts) x(id, attempt) where h.id = any (array[x.id]) and h.attempt = x.attempt and h.status in (3, 4)
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.priority
  ), queued as (
    insert into ready (queue, rank, id) select queue, -priority, id from u on conflict do nothing
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(2::smallint) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u;
  o_ready := array(select distinct q from unnest(moved.queues) q);
  if moved.ids is null then return; end if;
  perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_report(p_ids bigint[], p_attempts integer[], p_actions smallint[], p_outputs text[], p_causes smallint[], p_messages text[], p_codes text[], p_details text[], p_progress text[], p_success_counts bigint[], p_failure_counts bigint[], OUT o_taken bigint[], OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  moved record;
  settled record;
  changes mp_changes;
begin
  with u as (
    update task_state h set
      status = case x.action when 3 then 6 when 4 then 7 else 4 end,
      prior_status = case when x.action >= 3 or h.status = 3 then h.status else 0 end,
      run_time = coalesce(h.run_time, now_time),
      activity_time = now_time,
      end_time = case when x.action >= 3 then now_time end,
      lease_until = case when x.action < 3 and h.execution <> 2 then h.lease_until end,
      success_count = h.success_count + x.success_count,
      failure_count = h.failure_count + x.failure_count
    from unnest(p_ids, p_attempts, p_actions, p_outputs, p_causes, p_messages, p_codes, p_details, p_progress, p_success_counts, p_failure_counts)
      x(id, attempt, action, output, cause, message, code, details, progress, success_count, failure_count)
    where h.id = any (array[x.id]) and h.status in (3, 4) and (x.attempt = 0 or x.attempt = h.attempt)
    returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.worker, h.dependents, h.run_time, h.inactivity_timeout_ms,
      x.output, x.cause, x.message, x.code, x.details, x.progress, x.success_count, x.failure_count
  ), kept as (
    insert into task_attempt as a (task_id, attempt, status, cause, worker, start_time, end_time, message, code, details, output, progress)
    select id, attempt, case when status > 5 then status end, cause, worker, run_time, case when status > 5 then now_time end, message, code, details, output, progress
    from u where status = 7 or output is not null or progress is not null
    on conflict (task_id, attempt) do update set status = excluded.status, cause = excluded.cause, worker = excluded.worker, start_time = excluded.start_time,
      end_time = excluded.end_time, message = excluded.message, code = excluded.code, details = excluded.details, output = excluded.output,
      progress = coalesce(excluded.progress, a.progress)
  ), watched as (
    insert into timer (due, task_ids, attempts)
    select now_time + min(inactivity_timeout_ms) * interval '1 millisecond', array_agg(id), array_agg(attempt) from u where status = 4 and prior_status = 3 having count(*) > 0
  )
  select array_agg(id) as ids,
    array_agg((case when status = 7 or output is not null then 3 else 2 end)::smallint) filter (where prior_status <> 0) as types,
    array_agg(batch_id) filter (where prior_status <> 0) as batch_ids, array_agg(id) filter (where prior_status <> 0) as task_ids,
    array_agg(prior_status) filter (where prior_status <> 0) as from_statuses, array_agg(status) filter (where prior_status <> 0) as to_statuses,
    array_agg(attempt) filter (where prior_status <> 0) as attempts, array_agg(queue) filter (where prior_status <> 0) as queues,
    array_agg(coalesce(worker, 0)) filter (where prior_status <> 0) as workers,
    array_agg(id) filter (where status > 5 and dependents > 0) as ended, array_agg(status) filter (where status > 5 and dependents > 0) as ended_statuses,
    array_agg(id) filter (where success_count > 0 or failure_count > 0) as counted,
    array_agg(success_count) filter (where success_count > 0 or failure_count > 0) as success_counts,
    array_agg(failure_count) filter (where success_count > 0 or failure_count > 0) as failure_counts
  into moved from u;

  o_taken := coalesce(moved.ids, '{}');
  o_ready := '{}';
  if moved.ids is null then return; end if;
  changes := row(moved.types, moved.batch_ids, moved.task_ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
  if moved.counted is not null then
    select array_agg(4::smallint) || changes.types, array_agg(h.batch_id) || changes.batch_ids, array_agg(h.id) || changes.task_ids,
      array_agg(h.status) || changes.from_statuses, array_agg(h.status) || changes.to_statuses, array_agg(h.attempt) || changes.attempts,
      array_agg(h.queue) || changes.queues, array_agg(coalesce(h.worker, 0)) || changes.workers, array_agg(h.success_count), array_agg(h.failure_count)
    into changes from unnest(moved.counted) x(id) join task_state h on h.id = any (array[x.id]);
  end if;
  if moved.ended is not null then
    select * into settled from mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes);
    changes := settled.p_changes;
    o_ready := settled.o_ready;
  end if;
  if moved.counted is not null then
    -- The rows of all batches that this transaction changes, in their order, before some of them get counts.
    perform from batch_state b where b.batch_id = any (changes.batch_ids) order by b.batch_id for update;
    update batch_state b set success_count = b.success_count + d.s, failure_count = b.failure_count + d.f
    from (select h.batch_id, sum(x.s) s, sum(x.f) f from unnest(moved.counted, moved.success_counts, moved.failure_counts) x(id, s, f)
      join task_state h on h.id = any (array[x.id]) group by h.batch_id) d where b.batch_id = any (array[d.batch_id]);
  end if;
  perform mp_append_event(changes);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_seal_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, OUT o_batch jsonb, OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_status smallint;
  changes mp_changes;
begin
  select * into o_batch, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_batch is not null then return; end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  update batch_state set open = false where batch_id = p_batch and open returning status into now_status;
  if now_status is not null then
    changes := row(array[5::smallint], array[p_batch], array[0::bigint], array[now_status], array[now_status], array[0], array[0], array[0], null, null);
    perform mp_append_event(changes, array[p_batch]);
  end if;
  o_batch := mp_batch_json(p_batch);
  if p_request_id is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result) values (p_namespace, p_request_id, now(), p_hash, o_batch);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_settle(p_ids bigint[], p_statuses smallint[], p_parents bigint[], p_parent_statuses smallint[], p_children bigint[], p_conditions smallint[], p_late_only boolean, p_time timestamp with time zone, INOUT p_changes mp_changes, OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  ids bigint[] := p_ids;
  statuses smallint[] := p_statuses;
  parents bigint[] := p_parents;
  parent_statuses smallint[] := p_parent_statuses;
  children bigint[] := p_children;
  conditions smallint[] := p_conditions;
  late_only boolean := p_late_only;
  level record;
  -- What the last levels changed: appended to p_changes now and then only, for that copies all of it.
  recent mp_changes;
begin
  o_ready := '{}';
  if exists (select from unnest(p_statuses) s where s <> 6) or exists (select from unnest(p_parent_statuses) s where s <> 6)
    or exists (select from task_state h where h.id = any (p_ids) and (h.cascades or h.grown)) then
    perform mp_lock_downstream(p_ids, p_children, p_late_only, p_statuses);
  end if;
  loop
    with edge as (
      select x.id as parent, x.status as parent_status, c.child, coalesce(c.condition, 1::smallint) as condition
      from unnest(ids, statuses) x(id, status) join task t on t.id = any (array[x.id])
        cross join lateral unnest(t.children, t.child_conditions) c(child, condition)
      where not late_only
      union all
      select x.id, x.status, l.child, l.condition from unnest(ids, statuses) x(id, status) join edge_late l on l.parent = any (array[x.id])
      union all
      select x.parent, x.status, x.child, x.condition from unnest(parents, parent_statuses, children, conditions) x(parent, status, child, condition)
    ), settled as materialized (
      select child, count(*)::integer as n,
        min(parent) filter (where condition = 1 and parent_status in (7, 8)) as unmet_success,
        min(parent) filter (where condition = 3 and parent_status = 6) as unmet_failure,
        bool_or(condition <> 2 and parent_status = 9) as by_skip
      from edge group by child order by child
    ), outcome as (
      update task_state h set
        deps_left = h.deps_left - s.n,
        skip = h.skip or s.by_skip or (s.unmet_success is not null and h.unmet_policy = 2) or (s.unmet_failure is not null and h.unmet_policy <> 1),
        status = mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time),
        prior_status = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) <> h.status then h.status else 0 end,
        end_time = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) in (6, 7, 9) then p_time end
      from settled s
      where h.id = any (array[s.child]) and h.status in (1, 5)
      returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.start_time, h.dependents,
        case when h.status = 7 then coalesce(case when h.unmet_policy <> 2 then s.unmet_success end, s.unmet_failure) end as culprit
    ), queued as (
      insert into ready (queue, rank, id)
      select queue, -priority, id from outcome where prior_status <> 0 and status = 2 and coalesce(start_time <= p_time, true)
    ), delayed as (
      insert into timer (due, task_ids, attempts)
      select start_time, array_agg(id), array_agg(attempt) from outcome where prior_status <> 0 and status = 2 and start_time > p_time group by start_time
    ), failed as (
      insert into task_attempt (task_id, attempt, status, cause, parent_id, end_time, message)
      select o.id, o.attempt, 7, 7, o.culprit, p_time,
        format('dependency "%s" ended as %s', coalesce(t.key, t.name), (array['SUCCESS', 'FAILURE', 'CANCELED', 'SKIPPED'])[h.status - 5])
      from outcome o join task t on t.id = any (array[o.culprit]) join task_state h on h.id = any (array[o.culprit]) where o.status = 7
      on conflict (task_id, attempt) do update set status = 7, cause = 7, parent_id = excluded.parent_id, end_time = excluded.end_time, message = excluded.message
    )
    select array_agg((case when status = 7 then 3 else 2 end)::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids,
      array_agg(prior_status) from_statuses, array_agg(status) to_statuses, array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers,
      array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) ready,
      array_agg(id) filter (where status in (6, 7, 9) and dependents > 0) next_ids,
      array_agg(status) filter (where status in (6, 7, 9) and dependents > 0) next_statuses
    into level from outcome where prior_status <> 0;

    exit when level.ids is null;
    recent := mp_concat(recent, row(level.types, level.batch_ids, level.ids, level.from_statuses, level.to_statuses, level.attempts, level.queues, level.workers, null, null));
    if cardinality(recent.task_ids) > 200 then
      p_changes := mp_concat(p_changes, recent);
      recent := null;
    end if;
    o_ready := o_ready || level.ready;
    exit when level.next_ids is null;
    ids := level.next_ids;
    statuses := level.next_statuses;
    parents := '{}';
    parent_statuses := '{}';
    children := '{}';
    conditions := '{}';
    late_only := false;
  end loop;
  p_changes := mp_concat(p_changes, recent);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_stop_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, p_reason text, OUT o_from smallint[], OUT o_already_ended bigint, OUT o_batch jsonb, OUT o_ready integer[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz;
  ids bigint[];
  canceled record;
  changes mp_changes;
  was smallint;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_from := array(select jsonb_array_elements_text(earlier -> 'from'))::smallint[];
    o_already_ended := (earlier ->> 'already_ended')::bigint;
    o_batch := earlier -> 'batch';
    return;
  end if;
  perform from batch where id = p_batch and namespace_id = p_namespace for update;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  o_from := '{}';
  o_ready := '{}';
  now_time := clock_timestamp();
  -- Twice: without the batch's row, as everybody takes tasks before it; then with it, for what was created meanwhile.
  for pass in 1..2 loop
    if pass = 2 then
      perform from batch_state where batch_id = p_batch for update;
    end if;
    select array_agg(t.id) into ids from task t join task_state h on h.id = any (array[t.id]) where t.batch_id = p_batch and h.status < 6;
    continue when ids is null;
    select * into canceled from mp_cancel(ids, p_reason, true, now_time, changes);
    changes := canceled.p_changes;
    o_from := o_from || canceled.o_from;
    o_ready := o_ready || canceled.o_ready;
  end loop;
  update batch_state b set status = 5, prior_status = b.status, open = false, end_time = now_time
  where b.batch_id = p_batch and b.status in (1, 2) returning b.prior_status into was;
  if was is not null then
    update batch set stop_reason = p_reason where id = p_batch;
    changes := mp_concat(changes, row(array[5::smallint], array[p_batch], array[0::bigint], array[was], array[5::smallint], array[0], array[0], array[0], null, null));
  end if;
  perform mp_append_event(changes);
  o_batch := mp_batch_json(p_batch);
  o_already_ended := (o_batch ->> 'total')::bigint - cardinality(o_from);
  if p_request_id is not null then
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    values (p_namespace, p_request_id, now(), p_hash, jsonb_build_object('from', o_from, 'already_ended', o_already_ended, 'batch', o_batch));
  end if;
end $function$;
