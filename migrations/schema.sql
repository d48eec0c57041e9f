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
  on_complete text,
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
  on_complete smallint not null default 0,
  attentive boolean not null default false,
  limited boolean not null default false,
  constraint batch_state_pkey PRIMARY KEY (batch_id),
  constraint batch_state_counts CHECK (LEAST(waiting, pending, claimed, running, paused, success, failure, canceled, skipped) >= 0 AND (waiting + pending + claimed + running + paused + success + failure + canceled + skipped) = total)
) with (
  fillfactor = 40
);

create table blocked (
  lane bigint not null,
  rank smallint not null,
  id bigint not null,
  batch_id bigint not null,
  block_time timestamp with time zone not null,
  constraint blocked_pkey PRIMARY KEY (lane, rank, id)
);

create table blocked_wait (
  id bigint not null generated always as identity,
  waits_ms integer[] not null,
  constraint blocked_wait_pkey PRIMARY KEY (id)
);

create table count_producer (
  producer_id text not null,
  namespace_id integer not null,
  last_sequence bigint not null,
  use_time timestamp with time zone not null,
  constraint count_producer_pkey PRIMARY KEY (producer_id, namespace_id)
) with (
  fillfactor = 50
);

create table dedupe_key (
  hash bigint not null,
  task_id bigint not null,
  shape integer not null,
  ended boolean not null default false,
  constraint dedupe_key_pkey PRIMARY KEY (shape, hash, task_id)
);
CREATE INDEX dedupe_key_living ON dedupe_key USING btree (shape, hash, task_id) WHERE NOT ended;

create table dedupe_shape (
  id integer not null generated always as identity,
  namespace_id integer not null,
  kind text not null,
  fields text[] not null,
  filled_below bigint not null,
  constraint dedupe_shape_pkey PRIMARY KEY (id),
  constraint dedupe_shape_natural_key UNIQUE (namespace_id, kind, fields),
  constraint dedupe_shape_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id)
);

create table delivery (
  id bigint not null generated always as identity,
  batch_id bigint not null,
  task_id bigint not null,
  namespace_id integer not null,
  trigger smallint not null,
  "position" smallint not null,
  attempt integer not null,
  state smallint not null default 1,
  fence integer not null default 0,
  attempt_count integer not null default 0,
  last_status_code integer not null default 0,
  due timestamp with time zone not null,
  create_time timestamp with time zone not null,
  last_attempt_time timestamp with time zone,
  deliver_time timestamp with time zone,
  webhook text,
  last_error text,
  host text collate "C" not null default ''::text,
  constraint delivery_pkey PRIMARY KEY (id),
  constraint delivery_state_known CHECK (state >= 1 AND state <= 3),
  constraint delivery_trigger_known CHECK (trigger >= 1 AND trigger <= 5)
);
CREATE INDEX delivery_batch ON delivery USING btree (batch_id, id);
CREATE INDEX delivery_due ON delivery USING btree (host, due) WHERE state = 1;
CREATE INDEX delivery_exhausted ON delivery USING btree (host, id) WHERE state = 3;
CREATE INDEX delivery_task ON delivery USING btree (task_id, id);

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
  task_ids bigint[] storage external not null,
  from_statuses smallint[] not null,
  to_statuses smallint[] not null,
  attempts integer[] not null,
  queues integer[] not null,
  workers integer[] not null,
  success_counts bigint[],
  failure_counts bigint[],
  constraint event_tx_pkey PRIMARY KEY (seq)
);

create table fair_queue (
  queue integer not null,
  constraint fair_queue_pkey PRIMARY KEY (queue)
);

create table flow (
  id integer not null generated always as identity,
  namespace_id integer not null,
  key text not null,
  weight integer not null,
  constraint flow_pkey PRIMARY KEY (id),
  constraint flow_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id),
  constraint flow_weight_range CHECK (weight >= 1 AND weight <= 1000)
);
CREATE UNIQUE INDEX flow_natural_key ON flow USING btree (namespace_id, md5(key));

create table follow_up (
  id bigint not null generated always as identity,
  kind smallint not null,
  task_ids bigint[] not null,
  constraint follow_up_pkey PRIMARY KEY (id),
  constraint follow_up_kind_known CHECK (kind >= 1 AND kind <= 2)
);

create table hold (
  lane bigint not null,
  hold_time timestamp with time zone not null,
  id bigint not null generated always as identity,
  task_ids bigint[] storage external not null,
  due timestamp with time zone not null,
  lanes bigint[] storage external,
  constraint hold_pkey PRIMARY KEY (lane, hold_time, id)
);
CREATE INDEX hold_due ON hold USING btree (due);

create table instance (
  singleton boolean not null default true,
  uuid_salt bigint not null,
  handle_secret bytea not null,
  create_time timestamp with time zone not null default now(),
  event_floor bigint not null default 0,
  constraint instance_pkey PRIMARY KEY (singleton),
  constraint instance_singleton CHECK (singleton)
);

create table lane (
  id bigint not null generated always as identity,
  namespace_id integer not null,
  queue integer not null,
  rules integer[] not null,
  keys bigint[] not null,
  types smallint[] not null,
  bounds bigint[] not null,
  windows bigint[] not null,
  has_capacity boolean not null,
  digest text not null,
  flow integer not null default 0,
  constraint lane_pkey PRIMARY KEY (id),
  constraint lane_digest_key UNIQUE (digest)
);

create table lane_key (
  key_id bigint not null,
  lane bigint not null,
  constraint lane_key_pkey PRIMARY KEY (key_id, lane)
);

create table log_part (
  task_id bigint not null,
  append_time timestamp with time zone not null,
  dropped bigint,
  attempt integer not null,
  first_line integer not null,
  lines integer not null,
  bytes integer not null,
  times timestamp with time zone[],
  levels smallint[] not null,
  messages text[] not null,
  constraint log_part_pkey PRIMARY KEY (task_id, attempt, first_line)
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
  weight integer not null default 1,
  webhook_secret bytea not null default sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
  previous_webhook_secret bytea,
  constraint namespace_pkey PRIMARY KEY (id),
  constraint namespace_name_key UNIQUE (name),
  constraint namespace_weight_range CHECK (weight >= 1 AND weight <= 1000)
);

create table parked (
  batch_id bigint not null,
  id bigint not null,
  queue integer not null,
  rank smallint not null,
  lane bigint,
  flow integer not null default 0,
  constraint parked_pkey PRIMARY KEY (batch_id, id)
);

create table paused_batch (
  batch_id bigint not null,
  constraint paused_batch_pkey PRIMARY KEY (batch_id)
);

create table queue (
  id integer not null generated always as identity,
  namespace_id integer not null,
  kind text not null,
  execution smallint not null,
  labels jsonb not null default '{}'::jsonb,
  host text not null default ''::text,
  constraint queue_pkey PRIMARY KEY (id),
  constraint queue_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id),
  constraint queue_execution_known CHECK (execution >= 1 AND execution <= 3)
);
CREATE UNIQUE INDEX queue_natural_key ON queue USING btree (namespace_id, kind, execution, md5(labels::text), md5(host));

create table rate_start (
  key_id bigint not null,
  start_time timestamp with time zone not null,
  id bigint not null generated always as identity,
  starts integer not null,
  constraint rate_start_pkey PRIMARY KEY (key_id, start_time, id)
);

create table ready (
  queue integer not null,
  rank smallint not null,
  id bigint not null,
  lane bigint,
  flow integer not null default 0,
  constraint ready_pkey PRIMARY KEY (queue, rank, flow, id)
);
CREATE INDEX ready_lane ON ready USING btree (lane, rank, id) WHERE lane IS NOT NULL;

create table ready_run (
  queue integer not null,
  rank smallint not null,
  id bigint not null,
  tasks integer not null,
  constraint ready_run_pkey PRIMARY KEY (queue, rank, id)
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

create table retry_policy (
  id integer not null generated always as identity,
  max_attempts smallint not null,
  initial_backoff_ms bigint not null,
  multiplier double precision not null,
  increment_ms bigint not null,
  max_backoff_ms bigint not null,
  jitter double precision not null,
  causes smallint[] not null,
  non_retryable_codes text[] not null,
  digest text not null,
  constraint retry_policy_pkey PRIMARY KEY (id),
  constraint retry_policy_digest_key UNIQUE (digest),
  constraint retry_policy_attempts CHECK (max_attempts >= 1)
);

create table rule (
  id integer not null generated always as identity,
  namespace_id integer not null,
  name text not null,
  kind text not null,
  fields text[] not null,
  type smallint not null,
  bound bigint not null,
  window_ms bigint not null default 0,
  digest text not null,
  constraint rule_pkey PRIMARY KEY (id),
  constraint rule_digest_key UNIQUE (namespace_id, digest),
  constraint rule_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id),
  constraint rule_bound_positive CHECK (bound >= 1),
  constraint rule_type_known CHECK (type >= 1 AND type <= 3),
  constraint rule_window CHECK ((type = 3) = (window_ms > 0))
);

create table rule_alarm (
  due timestamp with time zone not null,
  key_id bigint not null,
  constraint rule_alarm_pkey PRIMARY KEY (due, key_id)
);

create table rule_change (
  id bigint not null generated always as identity,
  batch_id bigint not null,
  change_time timestamp with time zone not null,
  kind text not null,
  rules text not null,
  reason text not null,
  updated integer not null,
  constraint rule_change_pkey PRIMARY KEY (batch_id, id)
);

create table rule_key (
  id bigint not null generated always as identity,
  namespace_id integer not null,
  type smallint not null,
  window_ms bigint not null default 0,
  kind text not null,
  key text not null,
  constraint rule_key_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX rule_key_natural_key ON rule_key USING btree (namespace_id, type, window_ms, md5(key));

create table rule_usage (
  key_id bigint not null,
  in_use numeric not null default 0,
  constraint rule_usage_pkey PRIMARY KEY (key_id),
  constraint rule_usage_not_negative CHECK (in_use >= 0::numeric)
) with (
  fillfactor = 40
);

create table shared_spec (
  batch_id bigint not null,
  id bigint not null,
  spec text not null,
  constraint shared_spec_pkey PRIMARY KEY (batch_id, id)
);

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
  spec_id bigint,
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
  claim_time timestamp with time zone,
  cancel_webhook text,
  constraint task_attempt_pkey PRIMARY KEY (task_id, attempt)
);

create table task_log (
  task_id bigint not null,
  begin_time timestamp with time zone not null,
  append_time timestamp with time zone not null,
  cut_time timestamp with time zone,
  bytes bigint not null default 0,
  dropped bigint not null default 0,
  attempt integer not null,
  lines integer not null default 0,
  next_line integer not null default 0,
  constraint task_log_pkey PRIMARY KEY (task_id),
  constraint task_log_not_negative CHECK (LEAST(lines::bigint, bytes, dropped) >= 0)
) with (
  fillfactor = 60
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
  execution smallint not null,
  unmet_policy smallint not null,
  skip boolean not null default false,
  grown boolean not null default false,
  cascades boolean not null default false,
  total_deadline timestamp with time zone,
  retry_time timestamp with time zone,
  execution_timeout_ms bigint,
  total_timeout_ms bigint,
  retry_policy integer,
  edits integer not null default 0,
  requeued smallint not null default 0,
  notifies smallint not null default 0,
  critical boolean not null default false,
  only_for_dependents boolean not null default false,
  serves boolean not null default false,
  lane bigint,
  flow integer,
  held_lane bigint,
  held_amount bigint,
  constraint task_state_pkey PRIMARY KEY (id),
  constraint task_state_deps_left CHECK (deps_left >= 0)
) with (
  fillfactor = 50
);

create table timer (
  due timestamp with time zone not null,
  id bigint not null generated always as identity,
  task_ids bigint[] storage external not null,
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

create table worker_presence (
  connect_time timestamp with time zone not null,
  heartbeat_time timestamp with time zone not null,
  expire_time timestamp with time zone not null,
  session uuid not null,
  namespace_id integer not null,
  slots integer not null,
  state smallint not null,
  streams boolean not null,
  name text collate "C" not null,
  kinds text[] not null,
  labels jsonb not null,
  running_ids bigint[] not null,
  running_attempts integer[] not null,
  constraint worker_presence_pkey PRIMARY KEY (namespace_id, name),
  constraint worker_presence_namespace_fkey FOREIGN KEY (namespace_id) REFERENCES namespace(id)
) with (
  fillfactor = 50
);

create view event_change as
 SELECT e.seq,
    x.n::integer AS index,
    e.commit_time,
        CASE
            WHEN x.n <= l.types THEN x.type
            ELSE l.type
        END AS type,
        CASE
            WHEN x.n <= l.batch_ids THEN x.batch_id
            ELSE l.batch_id
        END AS batch_id,
    x.task_id,
        CASE
            WHEN x.n <= l.from_statuses THEN x.from_status
            ELSE l.from_status
        END AS from_status,
        CASE
            WHEN x.n <= l.to_statuses THEN x.to_status
            ELSE l.to_status
        END AS to_status,
        CASE
            WHEN x.task_id = 0 THEN 0
            WHEN x.n <= l.attempts THEN x.attempt
            ELSE l.attempt
        END AS attempt,
        CASE
            WHEN x.task_id = 0 THEN 0
            WHEN x.n <= l.queues THEN x.queue
            ELSE l.queue
        END AS queue,
        CASE
            WHEN x.task_id = 0 THEN 0
            WHEN x.n <= l.workers THEN x.worker
            ELSE l.worker
        END AS worker,
    x.success_count,
    x.failure_count
   FROM event_tx e
     CROSS JOIN LATERAL ( SELECT cardinality(e.task_ids) AS size,
            cardinality(e.types) AS types,
            e.types[cardinality(e.types)] AS type,
            cardinality(e.batch_ids) AS batch_ids,
            e.batch_ids[cardinality(e.batch_ids)] AS batch_id,
            cardinality(e.from_statuses) AS from_statuses,
            e.from_statuses[cardinality(e.from_statuses)] AS from_status,
            cardinality(e.to_statuses) AS to_statuses,
            e.to_statuses[cardinality(e.to_statuses)] AS to_status,
            cardinality(e.attempts) AS attempts,
            e.attempts[cardinality(e.attempts)] AS attempt,
            cardinality(e.queues) AS queues,
            e.queues[cardinality(e.queues)] AS queue,
            cardinality(e.workers) AS workers,
            e.workers[cardinality(e.workers)] AS worker
         OFFSET 0) l
     CROSS JOIN LATERAL UNNEST(e.task_ids, e.types, e.batch_ids, e.from_statuses, e.to_statuses, e.attempts, e.queues, e.workers, e.success_counts, e.failure_counts) WITH ORDINALITY x(task_id, type, batch_id, from_status, to_status, attempt, queue, worker, success_count, failure_count, n)
  WHERE x.n <= l.size;

create view ready_task as
 SELECT r.queue,
    r.rank,
    r.flow,
    r.id,
    r.lane
   FROM ready r
UNION ALL
 SELECT r.queue,
    r.rank,
    0 AS flow,
    r.id + n.n AS id,
    NULL::bigint AS lane
   FROM ready_run r
     CROSS JOIN LATERAL generate_series(0, r.tasks - 1) n(n);

CREATE OR REPLACE FUNCTION public.mp_add_counts(p_namespace integer, p_producers text[], p_firsts bigint[], p_lasts bigint[], p_request_ids text[], p_hashes bytea[], p_ids bigint[], p_successes bigint[], p_failures bigint[], OUT o_repeated text[], OUT o_repeated_lasts bigint[], OUT o_answered text[], OUT o_refused bigint[], OUT o_refused_statuses smallint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION public.mp_add_dedupe_shapes(p_namespace integer, p_kinds text[], p_fields text[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_advisory_xact_lock(7710, 2);
  insert into dedupe_shape (namespace_id, kind, fields, filled_below)
  select distinct p_namespace, x.kind, x.fields::text[], coalesce((select max(id) + 1 from task), 0) from unnest(p_kinds, p_fields) x(kind, fields) on conflict do nothing;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_add_flows(p_namespace integer, p_keys text[], p_weights integer[], p_queues integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
begin
  insert into flow (namespace_id, key, weight) select p_namespace, x.key, x.weight from unnest(p_keys, p_weights) x(key, weight) order by md5(x.key)
  on conflict (namespace_id, md5(key)) do update set weight = excluded.weight where flow.weight <> excluded.weight;
  insert into fair_queue (queue) select distinct q from unnest(p_queues) q order by q on conflict do nothing;
  return array(select f.id from unnest(p_keys) with ordinality x(key, n) cross join lateral (
    select q.id from flow q where q.namespace_id = p_namespace and md5(q.key) = md5(x.key) offset 0) f order by x.n);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_add_lanes(p_namespace integer, p_queues integer[], p_rules text[], p_keys text[], p_digests text[], p_flows integer[])
 RETURNS bigint[]
 LANGUAGE plpgsql
AS $function$
begin
  with added as (
    insert into lane (namespace_id, queue, flow, rules, keys, types, bounds, windows, has_capacity, digest)
    select p_namespace, x.queue, x.flow, x.rules::integer[], x.keys::bigint[], r.types, r.bounds, r.windows, 2 = any (r.types), x.digest
    from unnest(p_queues, p_rules, p_keys, p_digests, p_flows) x(queue, rules, keys, digest, flow) cross join lateral (
      select array_agg(rule.type order by y.n) as types, array_agg(rule.bound order by y.n) as bounds, array_agg(rule.window_ms order by y.n) as windows
      from unnest(x.rules::integer[]) with ordinality y(id, n) join rule on rule.id = any (array[y.id])) r
    order by x.digest on conflict do nothing returning id, keys
  )
  insert into lane_key (key_id, lane) select distinct k.key, added.id from added cross join lateral unnest(added.keys) k(key);
  return array(select l.id from unnest(p_digests) with ordinality x(digest, n) cross join lateral (
    select q.id from lane q where q.digest = x.digest offset 0) l order by x.n);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_add_rule_keys(p_namespace integer, p_types smallint[], p_windows bigint[], p_kinds text[], p_keys text[])
 RETURNS bigint[]
 LANGUAGE plpgsql
AS $function$
begin
  with added as (
    insert into rule_key (namespace_id, type, window_ms, kind, key)
    select p_namespace, x.type, x.window_ms, x.kind, x.key from unnest(p_types, p_windows, p_kinds, p_keys) x(type, window_ms, kind, key)
    order by x.type, x.window_ms, md5(x.key) on conflict do nothing returning id
  )
  insert into rule_usage (key_id) select id from added;
  return array(select k.id from unnest(p_types, p_windows, p_keys) with ordinality x(type, window_ms, key, n)
    cross join lateral (
      select q.id from rule_key q where q.namespace_id = p_namespace and q.type = x.type and q.window_ms = x.window_ms and md5(q.key) = md5(x.key) offset 0) k order by x.n);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_add_rules(p_namespace integer, p_names text[], p_kinds text[], p_fields text[], p_types smallint[], p_bounds bigint[], p_windows bigint[], p_digests text[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
begin
  insert into rule (namespace_id, name, kind, fields, type, bound, window_ms, digest)
  select p_namespace, x.name, x.kind, array(select jsonb_array_elements_text(x.fields::jsonb)), x.type, x.bound, x.window_ms, x.digest
  from unnest(p_names, p_kinds, p_fields, p_types, p_bounds, p_windows, p_digests) x(name, kind, fields, type, bound, window_ms, digest)
  order by x.digest on conflict do nothing;
  return array(select r.id from unnest(p_digests) with ordinality x(digest, n)
    cross join lateral (select q.id from rule q where q.namespace_id = p_namespace and q.digest = x.digest offset 0) r order by x.n);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_admit(p_ids bigint[], p_lanes bigint[], OUT o_ids bigint[], OUT o_blocked bigint[], OUT o_time timestamp with time zone, OUT o_keys bigint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  used numeric[];
  bounds_fit boolean;
  c record;
  fits boolean;
  place integer;
begin
  o_blocked := '{}';
  perform from batch_state b where b.batch_id = any (array(select h.batch_id from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]))) order by b.batch_id for update;
  o_keys := array(
    select distinct k.key from (select distinct x.lane from unnest(p_lanes) x(lane)) x join lane l on l.id = any (array[x.lane]) cross join lateral unnest(l.keys) k(key) order by k.key);
  perform from rule_usage u where u.key_id = any (o_keys) order by u.key_id for update;
  o_time := clock_timestamp();
  -- Starts that have left their windows.
  with old as (
    delete from rate_start where ctid = any (array(
      select s.place from unnest(o_keys) x(key) join rule_key k on k.id = any (array[x.key]) cross join lateral (
        select r.ctid as place from rate_start r where r.key_id = k.id and r.start_time <= o_time - k.window_ms * interval '1 millisecond' offset 0) s
      where k.window_ms > 0)) returning key_id, starts
  )
  update rule_usage u set in_use = u.in_use - o.starts from (select key_id, sum(starts)::bigint as starts from old group by key_id) o where u.key_id = any (array[o.key_id]);

  -- All of them, if there is room for all.
  with want as materialized (
    select x.lane, count(*) as holders, sum(case when l.has_capacity then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[x.id])) end) as work
    from unnest(p_ids, p_lanes) x(id, lane) join lane l on l.id = any (array[x.lane]) group by x.lane
  ), share as materialized (
    select k.key, k.type, min(k.bound) as bound, sum(w.holders) as holders, sum(w.work) as work
    from want w join lane l on l.id = any (array[w.lane]) cross join lateral unnest(l.keys, l.types, l.bounds) k(key, type, bound) group by k.key, k.type order by k.key
  ), fit as (
    select bool_and(case when s.type = 2 then u.in_use < s.bound and (s.holders = 1 or u.in_use + s.work < s.bound) else u.in_use + s.holders <= s.bound end) as all_fit
    from share s join rule_usage u on u.key_id = any (array[s.key])
  )
  select coalesce(all_fit, true) into bounds_fit from fit;
  if bounds_fit then
    o_ids := p_ids;
  else
    o_ids := '{}';
    used := array(select u.in_use from unnest(o_keys) with ordinality k(key, n) join rule_usage u on u.key_id = any (array[k.key]) order by k.n);
    for c in
      select x.id, l.keys, l.types, l.bounds, case when l.has_capacity then (
        select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[x.id])) end as work_left
      from unnest(p_ids, p_lanes) with ordinality x(id, lane, n) left join lane l on l.id = any (array[x.lane]) order by x.n
    loop
      fits := true;
      for n in 1 .. coalesce(cardinality(c.keys), 0) loop
        fits := fits and used[array_position(o_keys, c.keys[n])] < c.bounds[n];
      end loop;
      if fits then
        o_ids := o_ids || c.id;
        for n in 1 .. coalesce(cardinality(c.keys), 0) loop
          place := array_position(o_keys, c.keys[n]);
          used[place] := used[place] + case when c.types[n] = 2 then c.work_left else 1 end;
        end loop;
      else
        o_blocked := o_blocked || c.id;
      end if;
    end loop;
    insert into blocked (lane, rank, id, batch_id, block_time)
    select h.lane, -h.priority, h.id, h.batch_id, o_time from unnest(o_blocked) x(id) join task_state h on h.id = any (array[x.id]) on conflict do nothing;
  end if;

  with share as materialized (
    select k.key, count(*)::integer as starts from unnest(o_ids) x(id) join task_state h on h.id = any (array[x.id]) join lane l on l.id = any (array[h.lane])
      cross join lateral unnest(l.keys, l.types) k(key, type) where 3 = any (l.types) and k.type = 3 group by k.key order by k.key
  ), started as (
    insert into rate_start (key_id, start_time, starts) select key, o_time, starts from share
  )
  update rule_usage u set in_use = u.in_use + s.starts from share s where u.key_id = any (array[s.key]);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_append_event(p mp_changes, p_batches bigint[] DEFAULT '{}'::bigint[], p_stopped bigint DEFAULT NULL::bigint, p_fresh bigint[] DEFAULT '{}'::bigint[], p_admitted boolean DEFAULT false, p_moves mp_moves DEFAULT NULL::mp_moves, p_slots mp_slots DEFAULT NULL::mp_slots, OUT o_follow_ups bigint[], OUT o_wake boolean, OUT o_started bigint[], OUT o_started_attempts integer[], OUT o_places integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  touched record;
  batch_row record;
  counted record;
  -- Of the one batch: how many tasks it has more, and in each status.
  batch bigint;
  created integer := 0;
  moved integer[];
  told integer;
  -- Something may start: what mp_apply_rules has answered, and what was started of it.
  applied record;
  started record;
  passed integer[] := '{}';
  has_slots boolean := cardinality(p_slots.queues) > 0;
  size integer := coalesce(cardinality(p.task_ids), 0);
  is_same boolean;
begin
  o_follow_ups := '{}';
  o_wake := false;
  p.types := mp_trim(p.types);
  p.batch_ids := mp_trim(p.batch_ids);
  p.from_statuses := mp_trim(p.from_statuses);
  p.to_statuses := mp_trim(p.to_statuses);
  if size > 0 and cardinality(p.batch_ids) = 1 and (p_batches = '{}' or p_batches = p.batch_ids) then
    batch := p.batch_ids[1];
  elsif size = 0 and cardinality(p_batches) = 1 then
    batch := p_batches[1];
  end if;
  -- Most transactions make one change, of one task or of many of a batch.
  is_same := size > 0 and cardinality(p.types) = 1 and cardinality(p.batch_ids) = 1 and cardinality(p.from_statuses) = 1 and cardinality(p.to_statuses) = 1;
  if not is_same then
    p.types := mp_fill(p.types, size);
    p.batch_ids := mp_fill(p.batch_ids, size);
    p.from_statuses := mp_fill(p.from_statuses, size);
    p.to_statuses := mp_fill(p.to_statuses, size);
  end if;
  if batch is not null then
    -- As below, of one batch: an update by its key, with what is counted before, takes a fifth of the time.
    moved := '{0,0,0,0,0,0,0,0,0}';
    if is_same then
      if p.types[1] in (1, 2, 3, 7) then
        created := case when p.types[1] = 1 then size else 0 end;
        if p.from_statuses[1] > 0 then moved[p.from_statuses[1]] := -size; end if;
        moved[p.to_statuses[1]] := moved[p.to_statuses[1]] + size;
      elsif p_batches = '{}' then
        batch := null;
      end if;
    else
      for counted in
        select x.type, x.f, x.t, count(*)::integer as n from unnest(p.types, p.from_statuses, p.to_statuses) x(type, f, t) where x.type in (1, 2, 3, 7) group by x.type, x.f, x.t
      loop
        if counted.type = 1 then created := created + counted.n; end if;
        if counted.f > 0 then moved[counted.f] := moved[counted.f] - counted.n; end if;
        moved[counted.t] := moved[counted.t] + counted.n;
      end loop;
      if not found and p_batches = '{}' then batch := null; end if;
    end if;
    update batch_state b set
      total = b.total + created,
      waiting = b.waiting + moved[1],
      pending = b.pending + moved[2],
      claimed = b.claimed + moved[3],
      running = b.running + moved[4],
      paused = b.paused + moved[5],
      success = b.success + moved[6],
      failure = b.failure + moved[7],
      canceled = b.canceled + moved[8],
      skipped = b.skipped + moved[9],
      prior_status = 0
    where b.batch_id = batch
    returning b.failure, b.canceled, b.attentive, b.limited,
      b.status in (1, 2) and (b.batch_id = p_stopped or (not b.open and b.waiting + b.pending + b.claimed + b.running + b.paused = 0)) is true as ends
    into batch_row;
    select case when batch_row.ends then array[batch] end as ids,
      case when batch_row.ends then array[(case when batch = p_stopped then 5 when batch_row.failure > 0 then 4 when batch_row.canceled > 0 then 5 else 3 end)::smallint] end as statuses,
      case when batch_row.attentive then array[batch] end as attentive, batch_row.limited as limited
    into touched;
  else
    with change as (
      -- Few kinds of changes, of many tasks: counted before they are told apart.
      select x.batch_id, x.type, x.f, x.t, case when is_same then size else count(*)::integer end as n from unnest(p.batch_ids, p.types, p.from_statuses, p.to_statuses) x(batch_id, type, f, t)
      where x.type in (1, 2, 3, 7) group by x.batch_id, x.type, x.f, x.t
      union all
      select b, 0::smallint, 0::smallint, 0::smallint, 0 from unnest(p_batches) b
    ), delta as (
      select batch_id,
        sum(case when type = 1 then n else 0 end)::integer created,
        sum(case when t = 1 then n else 0 end - case when f = 1 then n else 0 end)::integer waiting,
        sum(case when t = 2 then n else 0 end - case when f = 2 then n else 0 end)::integer pending,
        sum(case when t = 3 then n else 0 end - case when f = 3 then n else 0 end)::integer claimed,
        sum(case when t = 4 then n else 0 end - case when f = 4 then n else 0 end)::integer running,
        sum(case when t = 5 then n else 0 end - case when f = 5 then n else 0 end)::integer paused,
        sum(case when t = 6 then n else 0 end - case when f = 6 then n else 0 end)::integer success,
        sum(case when t = 7 then n else 0 end - case when f = 7 then n else 0 end)::integer failure,
        sum(case when t = 8 then n else 0 end - case when f = 8 then n else 0 end)::integer canceled,
        sum(case when t = 9 then n else 0 end - case when f = 9 then n else 0 end)::integer skipped
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
      returning b.batch_id, b.failure, b.canceled, b.attentive, b.limited,
        b.status in (1, 2) and (b.batch_id = p_stopped or (not b.open and b.waiting + b.pending + b.claimed + b.running + b.paused = 0)) is true as ends
    )
    select array_agg(batch_id order by batch_id) filter (where ends) ids,
      array_agg((case when batch_id = p_stopped then 5 when failure > 0 then 4 when canceled > 0 then 5 else 3 end)::smallint order by batch_id) filter (where ends) statuses,
      array_agg(batch_id) filter (where attentive) attentive, bool_or(limited) as limited
    into touched from applied;
  end if;

  if touched.attentive is not null then
    select * into o_follow_ups, o_wake from mp_attend(row(mp_fill(p.types, size), mp_fill(p.batch_ids, size), p.task_ids, mp_fill(p.from_statuses, size), mp_fill(p.to_statuses, size),
      mp_fill(p.attempts, size), null, null, null, null)::mp_changes, touched.attentive);
  end if;

  if touched.limited or 4 = any (p.types) or cardinality(p_fresh) > 0 then
    applied := mp_apply_rules(
      case when not (p_moves is not null and is_same and p.types[1] <> 4 and p.to_statuses[1] <> 2 and (p.from_statuses[1] <> 2 or p.to_statuses[1] in (3, 4))) then
        row(mp_fill(p.types, size), null, p.task_ids, mp_fill(p.from_statuses, size), mp_fill(p.to_statuses, size), null, null, null, null, null)::mp_changes end,
      clock_timestamp(), p_fresh, p_admitted, p_moves, coalesce(has_slots, false));
    if has_slots and (applied.o_offered is not null or applied.o_fresh is not null) then
      if applied.o_whole then
        started := mp_start_ready(coalesce(cardinality(applied.o_offered), 0) + coalesce(cardinality(applied.o_fresh), 0), applied.o_keys, applied.o_lanes, p_slots);
        passed := started.o_passed;
        o_started := started.o_ids;
        o_started_attempts := started.o_attempts;
        o_places := started.o_places;
        if o_started is not null then
          -- As a claim in the next moment: PENDING by what is told before, then RUNNING.
          p := mp_concat(row(mp_fill(p.types, size), mp_fill(p.batch_ids, size), p.task_ids, mp_fill(p.from_statuses, size), mp_fill(p.to_statuses, size), mp_fill(p.attempts, size), mp_fill(p.queues, size),
              mp_fill(p.workers, size), p.success_counts, p.failure_counts)::mp_changes,
            row(array_fill(2::smallint, array[cardinality(o_started)]), started.o_batch_ids, o_started, array_fill(2::smallint, array[cardinality(o_started)]),
              array_fill(4::smallint, array[cardinality(o_started)]), started.o_attempts, started.o_queues, started.o_workers, null, null)::mp_changes);
          size := size + cardinality(o_started);
        end if;
      end if;
      perform mp_tell_queues(passed || array(select x.queue from unnest(applied.o_offered, applied.o_queues) x(id, queue) where (x.id in (select unnest(o_started))) is not true));
    end if;
  end if;

  if touched.ids is not null then
    with e as (
      update batch_state b set status = x.status, prior_status = b.status, end_time = clock_timestamp()
      from unnest(touched.ids, touched.statuses) x(batch_id, status) where b.batch_id = any (array[x.batch_id])
      returning b.batch_id, b.prior_status, b.status, b.on_complete
    ), freed as (
      delete from paused_batch where batch_id in (select batch_id from e where prior_status = 2)
    ), notified as (
      insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, host, due, create_time)
      select e.batch_id, 0, b.namespace_id, 4, x, 0, coalesce(mp_delivery_host(4::smallint, x::smallint, b.on_complete), ''), clock_timestamp(), clock_timestamp()
      from e join batch b on b.id = any (array[e.batch_id]) cross join lateral generate_series(0, e.on_complete - 1) x
      returning 1
    )
    -- Of a batch, there is neither attempt nor queue nor worker: those of the last task stand there.
    select mp_fill(p.types, size) || array_agg(5::smallint), mp_fill(p.batch_ids, size) || array_agg(e.batch_id), p.task_ids || array_agg(0::bigint),
      mp_fill(p.from_statuses, size) || array_agg(e.prior_status), mp_fill(p.to_statuses, size) || array_agg(e.status), (select count(*) from notified)
    into p.types, p.batch_ids, p.task_ids, p.from_statuses, p.to_statuses, told from e;
    o_wake := o_wake or told > 0;
    p.batch_ids := mp_trim(p.batch_ids);
  end if;

  if cardinality(p.task_ids) > 0 then
    insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers,
      success_counts, failure_counts)
    values (nextval('event_seq'), clock_timestamp(), p.types, p.batch_ids, p.task_ids, p.from_statuses, p.to_statuses,
      coalesce(mp_trim(p.attempts), '{0}'), coalesce(mp_trim(p.queues), '{0}'), coalesce(mp_trim(p.workers), '{0}'), p.success_counts, p.failure_counts);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_append_logs(p_namespace integer, p_ids bigint[], p_attempts integer[], p_lines integer[], p_bytes integer[], p_times text[], p_levels text[], p_messages text[], p_request_ids text[], p_hashes bytea[], p_lines_max integer, p_bytes_max bigint, OUT o_statuses smallint[], OUT o_attempts integer[], OUT o_kept integer[], OUT o_truncated boolean[], OUT o_answered text[], OUT o_hashes bytea[], OUT o_answers boolean[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  -- By call: the attempt that it goes to, or null.
  goes integer[];
  firsts integer[];
  kept_bytes integer[];
  crowded bigint[];
begin
  if p_request_ids is not null then
    delete from request where namespace_id = p_namespace and request_id = any (p_request_ids) and create_time < now() - interval '24 hours';
    select array_agg(request_id), array_agg(body_hash), array_agg((result ->> 'truncated')::boolean) into o_answered, o_hashes, o_answers
    from request where namespace_id = p_namespace and request_id = any (p_request_ids);
  end if;

  select array_agg(h.status order by x.n), array_agg(h.attempt order by x.n),
    array_agg(case when h.attempt > 0 and x.attempt in (0, h.attempt) and (x.request_id = any (o_answered)) is not true then h.attempt end order by x.n)
  into o_statuses, o_attempts, goes
  from unnest(p_ids, p_attempts, p_request_ids) with ordinality x(id, attempt, request_id, n)
    left join task t on t.id = any (array[x.id]) and t.namespace_id = p_namespace left join task_state h on h.id = any (array[t.id]);

  update task_state h set activity_time = now_time, prior_status = 0
  from unnest(p_ids, goes) x(id, attempt)
  where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt
    and coalesce(h.activity_time < now_time - least(1000, h.inactivity_timeout_ms / 10) * interval '1 millisecond', true);

  -- Who forgets logs may take a row away before it is locked.
  loop
    insert into task_log (task_id, begin_time, append_time, attempt)
    select distinct x.id, now_time, now_time, x.attempt from unnest(p_ids, goes) x(id, attempt)
    where x.attempt is not null and not exists (select from task_log l where l.task_id = any (array[x.id]) offset 0)
    order by x.id on conflict do nothing;
    perform from task_log l where l.task_id = any (p_ids) order by l.task_id for update;
    exit when not exists (select from unnest(p_ids, goes) x(id, attempt)
      where x.attempt is not null and not exists (select from task_log l where l.task_id = any (array[x.id]) offset 0));
  end loop;

  -- A next attempt begins: what was dropped of the one before it is written down.
  with next as (
    select distinct on (l.task_id) l.*, x.attempt as next_attempt
    from unnest(p_ids, goes) x(id, attempt) join task_log l on l.task_id = any (array[x.id]) where l.attempt < x.attempt order by l.task_id
  ), told as (
    insert into log_part (task_id, append_time, dropped, attempt, first_line, lines, bytes, levels, messages)
    select task_id, cut_time, dropped, attempt, next_line, 0, 0, '{}', '{}' from next where dropped > 0
  )
  update task_log l set attempt = n.next_attempt, dropped = 0, cut_time = null from next n where l.task_id = any (array[n.task_id]);

  select array_agg(l.task_id order by l.task_id) into crowded
  from (
    select id, max(attempt) as attempt, sum(lines) as lines, sum(bytes) as bytes from unnest(p_ids, goes, p_lines, p_bytes) x(id, attempt, lines, bytes)
    where attempt is not null group by id
  ) x join task_log l on l.task_id = any (array[x.id])
  where l.attempt = x.attempt and l.dropped = 0 and (l.lines + x.lines > p_lines_max or l.bytes + x.bytes > p_bytes_max)
    and exists (select from log_part p where p.task_id = any (array[l.task_id]) and p.attempt < l.attempt and p.lines > 0 offset 0);
  if crowded is not null then
    perform mp_make_room(crowded, now_time);
  end if;

  select array_agg(greatest(x.newest, x.log_attempt) order by x.n),
    array_agg(case when x.is_going then case when x.fits then x.lines else cut.lines end end order by x.n),
    array_agg(case when x.is_going then case when x.fits then x.bytes else cut.bytes end end order by x.n),
    array_agg(x.first_line order by x.n), array_agg(x.is_going and (x.had_dropped or not x.fits) order by x.n)
  into o_attempts, o_kept, kept_bytes, firsts, o_truncated
  from (
    select c.*, (c.next_line + c.lines_before)::integer as first_line, c.lines_before + c.lines <= c.lines_left and c.bytes_before + c.bytes <= c.bytes_left as fits
    from (
      select x.n, x.lines, x.bytes, x.newest, l.attempt as log_attempt, l.next_line, l.dropped > 0 as had_dropped,
        case when l.dropped > 0 then 0 else p_lines_max - l.lines end as lines_left, case when l.dropped > 0 then 0 else p_bytes_max - l.bytes end as bytes_left,
        coalesce(x.attempt = l.attempt, false) as is_going,
        sum(case when x.attempt = l.attempt then x.lines else 0 end) over w - case when x.attempt = l.attempt then x.lines else 0 end as lines_before,
        sum(case when x.attempt = l.attempt then x.bytes else 0 end) over w - case when x.attempt = l.attempt then x.bytes else 0 end as bytes_before
      from unnest(p_ids, goes, p_lines, p_bytes, o_attempts) with ordinality x(id, attempt, lines, bytes, newest, n) left join task_log l on l.task_id = any (array[x.id])
      window w as (partition by x.id order by x.n)
    ) c
  ) x
  -- The one call of a task in which the bound lies: as many of its lines as fit. Of others, no messages are looked at.
  cross join lateral (
    select count(*)::integer as lines, coalesce(max(m.bytes), 0)::integer as bytes
    from (
      select row_number() over m as lines, sum(octet_length(m.message)) over m as bytes
      from unnest(case when x.is_going and not x.fits and x.lines_before < x.lines_left and x.bytes_before <= x.bytes_left then p_messages[x.n]::text[] end)
        with ordinality m(message, n) window m as (order by m.n)
    ) m where x.lines_before + m.lines <= x.lines_left and x.bytes_before + m.bytes <= x.bytes_left
  ) cut;

  insert into log_part (task_id, append_time, attempt, first_line, lines, bytes, times, levels, messages)
  select x.id, now_time, x.attempt, x.first_line, x.kept, x.kept_bytes, x.times::timestamptz[], x.levels::smallint[],
    case when x.kept = x.lines then x.messages::text[] else (x.messages::text[])[1 : x.kept] end
  from unnest(p_ids, goes, firsts, o_kept, kept_bytes, p_lines, p_times, p_levels, p_messages) x(id, attempt, first_line, kept, kept_bytes, lines, times, levels, messages)
  where x.kept > 0;

  update task_log l set append_time = now_time, lines = l.lines + x.kept, bytes = l.bytes + x.bytes, next_line = l.next_line + x.kept,
    dropped = l.dropped + x.lines - x.kept, cut_time = case when x.lines > x.kept then coalesce(l.cut_time, now_time) end
  from (
    select id, sum(kept)::integer as kept, sum(bytes) as bytes, sum(lines) as lines from unnest(p_ids, o_kept, kept_bytes, p_lines) x(id, kept, bytes, lines)
    where kept is not null group by id
  ) x where l.task_id = any (array[x.id]);

  if p_request_ids is not null then
    -- A call with the same request_id that came first makes this transaction fail here.
    insert into request (namespace_id, request_id, create_time, body_hash, result)
    select p_namespace, x.request_id, now(), x.hash, jsonb_build_object('truncated', x.truncated)
    from unnest(p_request_ids, p_hashes, o_kept, o_truncated) x(request_id, hash, kept, truncated)
    where x.request_id is not null and x.kept is not null order by x.request_id;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_apply_rules(p mp_changes, p_time timestamp with time zone, p_fresh bigint[] DEFAULT '{}'::bigint[], p_admitted boolean DEFAULT false, p_moves mp_moves DEFAULT NULL::mp_moves, p_quietly boolean DEFAULT false, OUT o_offered bigint[], OUT o_queues integer[], OUT o_lanes bigint[], OUT o_whole boolean, OUT o_fresh bigint[], OUT o_keys bigint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  given record;
  totals record;
  booked record;
  told boolean := p_moves is not null;
begin
  if told and p is null and p_fresh = '{}' then
    -- All is known: who claims, reports and starts what is created says it.
    select (p_moves).lanes as lanes, (p_moves).holders as holders, (p_moves).amounts as amounts, null::bigint[] as fresh_lanes, null::bigint[] as left_lanes, null::bigint[] as fresh_ids into given;
  else
    with change as materialized (
      select c.id, c.type, c.f, c.t, h.lane, h.held_lane, h.held_amount, h.status, h.success_count, h.failure_count
      from unnest(p.task_ids, p.types, p.from_statuses, p.to_statuses) c(id, type, f, t) join task_state h on h.id = any (array[c.id])
      where c.type in (1, 2, 3, 4, 7) and (not told or c.type = 4 or c.t = 2 or (c.f = 2 and c.t not in (3, 4))) and (h.lane is not null or h.held_lane is not null)
    ), counted as materialized (
      select c.id, c.held_lane, c.held_amount, mp_work_left(t.expected_count, c.success_count, c.failure_count) as work_left
      from (select distinct id, held_lane, held_amount, success_count, failure_count from change where type = 4 and status in (3, 4) and held_lane is not null and held_amount is not null) c
        join task t on t.id = any (array[c.id])
    ), shrunk as (
      update task_state h set held_amount = c.work_left from counted c where h.id = any (array[c.id]) and c.work_left < c.held_amount
    ), taken as (
      select held_lane as lane, case when t in (3, 4) then 1 else -1 end as holders, case when t in (3, 4) then held_amount else -held_amount end as amount
      from change where not told and type <> 4 and held_lane is not null and (f in (3, 4)) <> (t in (3, 4))
      union all
      select m.lane, m.holders, m.amount from unnest((p_moves).lanes, (p_moves).holders, (p_moves).amounts) m(lane, holders, amount)
      union all
      select held_lane, 0, work_left - held_amount from counted where work_left < held_amount
    ), sums as (
      select lane, sum(holders) as holders, coalesce(sum(amount), 0) as amount from taken group by lane
    ), fresh as materialized (
      select id, lane, t from change where type <> 4 and (t = 2 or (f = 2 and t not in (3, 4))) and lane is not null
      union
      select h.id, h.lane, 2 from unnest(p_fresh) x(id) join task_state h on h.id = any (array[x.id]) where h.lane is not null
    ), tight as materialized (
      select unnest(mp_tight_lanes(array(select distinct lane from fresh))) as id
    )
    select array_agg(lane) as lanes, array_agg(holders::bigint) as holders, array_agg(amount) as amounts,
      (select array_agg(id) from tight) as fresh_lanes, (select array_agg(distinct f.lane) from fresh f where f.t <> 2 and (f.lane in (select id from tight)) is true) as left_lanes,
      -- "is true" has it hashed: joined, two lists of thousands would be compared all with all.
      (select array_agg(f.id) from fresh f where f.t = 2 and (f.lane in (select id from tight)) is true) as fresh_ids
    into given from sums;
  end if;
  if coalesce(cardinality(given.lanes), 0) = 0 and given.fresh_lanes is null then return; end if;

  if given.fresh_lanes is not null then
    -- Nobody changes what these keys hold, or what of lanes may start, while it is looked at. Where there is nothing to look at, they are locked as they are changed: in the order of
    -- keys, too, be it of the list or of the primary key (connections that write do without plans that would not keep it).
    o_keys := array(select distinct k.key from unnest(given.lanes || given.fresh_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key));
    perform from rule_usage u where u.key_id = any (o_keys) order by u.key_id for update;
  end if;
  -- The arrays of lanes are unnested in a list of columns: of arrays in FROM, each lane's are written to a store of their own first.
  select array_agg(s.key) filter (where s.holders <> 0) as keys, array_agg(s.holders) filter (where s.holders <> 0) as holders, array_agg(s.bound) filter (where s.holders <> 0) as bounds,
    array_agg(s.key) filter (where s.holders < 0) as freed, bool_or(s.type <> 1) as has_amounts
  into totals from (
    select k.key, k.type, min(k.bound) as bound, sum(k.holders) as holders from (
      select unnest(l.keys) as key, unnest(l.types) as type, unnest(l.bounds) as bound, g.holders
      from unnest(given.lanes, given.holders::integer[]) g(lane, holders) join lane l on l.id = any (array[g.lane])
    ) k where k.type <> 3 group by k.key, k.type order by k.key
  ) s;
  if totals.has_amounts then
    with share as materialized (
      select s.key, s.type, s.bound, s.holders, s.amount from (
        select k.key, k.type, min(k.bound) as bound, sum(k.holders) as holders, sum(case k.type when 1 then k.holders else k.amount end) as amount from (
          select unnest(l.keys) as key, unnest(l.types) as type, unnest(l.bounds) as bound, g.holders, g.amount
          from unnest(given.lanes, given.holders, given.amounts) g(lane, holders, amount) join lane l on l.id = any (array[g.lane])
        ) k where k.type <> 3 group by k.key, k.type
      ) s where s.amount <> 0 order by s.key
    ), changed as (
      update rule_usage u set in_use = u.in_use + s.amount from share s where u.key_id = any (array[s.key])
      returning u.key_id, s.amount, s.amount > 0 and case when s.type = 2 then u.in_use - s.amount >= s.bound or (s.holders > 1 and u.in_use >= s.bound) else u.in_use > s.bound end as exceeds
    )
    select array_agg(key_id) filter (where amount < 0) as freed, bool_or(exceeds) as exceeds into booked from changed;
  else
    -- Of concurrency alone: one walk along the keys, each of which finds its place in the list by halving, is half the time of a look for each.
    with changed as (
      update rule_usage u set in_use = u.in_use + totals.holders[width_bucket(u.key_id, totals.keys)] where u.key_id = any (totals.keys) returning u.key_id, u.in_use
    )
    select totals.freed as freed, bool_or(c.in_use > totals.bounds[width_bucket(c.key_id, totals.keys)] and totals.holders[width_bucket(c.key_id, totals.keys)] > 0) as exceeds
    into booked from changed c;
  end if;
  if booked.exceeds and not p_admitted then
    raise exception using errcode = 'MP006', message = 'a rule has no room any more';
  end if;
  -- What is not put into ready here may only be blocked already.
  if given.fresh_lanes is null and not exists (select from blocked) then return; end if;
  select * into o_offered, o_queues, o_lanes, o_whole from mp_offer(coalesce(given.fresh_lanes, '{}'), coalesce(given.fresh_ids, '{}'), p_time, booked.freed || array(
    select distinct k.key from unnest(given.left_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)), '{}', p_quietly);
  o_fresh := given.fresh_ids;
  o_keys := coalesce(o_keys, booked.freed);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_are_roomy(p_lanes bigint[])
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  given record;
begin
  select array_agg(g.lane) as lanes, array_agg(g.n) as counts into given from (
    select x.lane, count(*) as n from unnest(p_lanes) x(lane) where x.lane is not null group by x.lane) g;
  return mp_have_room(given.lanes, given.counts);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_attend(p mp_changes, p_batches bigint[], OUT o_follow_ups bigint[], OUT o_wake boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  told integer;
begin
  with change as materialized (
    select h.id, h.batch_id, c.type, c.f, c.t, c.attempt, h.execution, h.notifies, h.critical, h.serves,
      -- The start call of an attempt that nobody has confirmed may be under way: what tells of its end waits until that is over (mp_end_starts), at most as long as it may take:
      -- the start_timeout, and never longer than 15 minutes (startCallMsMax of src/server/webhook-starts.ts), should its server have died.
      case when h.execution = 2 and c.f = 3 and (c.t = 8 or exists (select from task_attempt a where a.task_id = h.id and a.attempt = c.attempt and a.cause in (3, 4, 5, 6))) then
        h.claim_time + least(h.start_timeout_ms, 900000) * interval '1 millisecond' end as start_until
    from unnest(p.task_ids, p.batch_ids, p.types, p.from_statuses, p.to_statuses, p.attempts) c(id, batch_id, type, f, t, attempt)
      join task_state h on h.id = any (array[c.id])
    where c.batch_id = any (p_batches) and c.type in (2, 3, 7) and (c.t > 5 or (c.t = 2 and c.type = 3))
  ), notice as (
    select id, batch_id, t - 5 as trigger, n as position, attempt, start_until, null::text as webhook
    from change cross join lateral generate_series(0, ((notifies >> ((t - 6) * 5)) & 31) - 1) n where t between 6 and 8
    union all
    -- An attempt of a webhook's receiver that was canceled or timed out: what the receiver asked for is called, or else what follows a cancellation.
    select c.id, c.batch_id, case when a.cancel_webhook is null then 3 else 5 end, n, c.attempt, c.start_until, a.cancel_webhook
    from change c left join task_attempt a on a.task_id = any (array[c.id]) and a.attempt = c.attempt
      cross join lateral generate_series(0, case when a.cancel_webhook is not null then 0 when c.t = 8 then -1 else ((c.notifies >> 10) & 31) - 1 end) n
    where c.execution = 2 and c.f in (3, 4) and (c.t = 8 or (c.type = 3 and a.cause in (3, 4, 5, 6)))
  ), written as (
    insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, host, due, create_time, webhook)
    select n.batch_id, n.id, t.namespace_id, n.trigger, n.position, n.attempt,
      coalesce(mp_delivery_host(n.trigger::smallint, n.position::smallint, coalesce(n.webhook,
        case when t.spec_id is null then t.spec else (select s.spec from shared_spec s where s.batch_id = t.batch_id and s.id = t.spec_id) end)), ''), greatest(now_time, n.start_until), now_time, n.webhook
    from notice n join task t on t.id = any (array[n.id]) returning due <= now_time as is_due
  ), noted as (
    insert into follow_up (kind, task_ids)
    select 1, array_agg(id) from change where critical and t = 7 group by batch_id
    union all
    select 2, array_agg(id) from change where serves and t > 5 having count(*) > 0
    returning id
  )
  select (select coalesce(array_agg(id), '{}') from noted), (select count(*) from written where is_due) into o_follow_ups, told;
  o_wake := told > 0;
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

CREATE OR REPLACE FUNCTION public.mp_begin_graphs(p_namespace integer, p_request_ids text[], OUT o_answered text[], OUT o_time timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  outdated text[];
begin
  if p_request_ids is not null then
    select array_agg(r.request_id) filter (where r.is_kept), array_agg(r.request_id) filter (where not r.is_kept) into o_answered, outdated from (
      select request_id, create_time >= now() - interval '24 hours' as is_kept from request where namespace_id = p_namespace and request_id = any (p_request_ids)) r;
    if o_answered is not null then return; end if;
    if outdated is not null then
      -- Not by the index of create_time, as in mp_find_request.
      delete from request where namespace_id = p_namespace and request_id = any (outdated) and create_time + interval '24 hours' < now();
    end if;
  end if;
  -- Kinds get a new shape of deduplication while no create is under way.
  perform pg_advisory_xact_lock_shared(7710, 2);
  o_time := clock_timestamp();
end $function$;

CREATE OR REPLACE FUNCTION public.mp_blocked_lanes(p_keys bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
AS $function$
declare
  few constant integer := 200;
  many constant integer := 5000;
  n integer;
  lanes bigint[];
begin
  select count(*), array_agg(distinct x.lane) into n, lanes from (
    select l.lane from unnest(p_keys) k(key) cross join lateral (select q.lane from lane_key q where q.key_id = k.key offset 0) l limit few + 1) x;
  if n > few then
    -- A loose index scan: from each lane that has something to the next.
    with recursive l as (
      (select b.lane, 1 as place from blocked b order by b.lane limit 1)
      union all
      select (select b.lane from blocked b where b.lane > l.lane order by b.lane limit 1), l.place + 1 from l where l.lane is not null and l.place <= many
    )
    select count(lane), array_agg(lane) into n, lanes from l where lane is not null;
    if n <= many then
      return array(select x.lane from unnest(lanes) x(lane) cross join lateral (select q.keys from lane q where q.id = x.lane offset 0) l where l.keys && p_keys);
    end if;
    lanes := array(select distinct l.lane from unnest(p_keys) k(key) cross join lateral (select q.lane from lane_key q where q.key_id = k.key offset 0) l);
  end if;
  return array(select x.lane from unnest(lanes) x(lane) where exists (select from blocked b where b.lane = x.lane offset 0));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_call_host(p_url text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT "left"(regexp_replace(lower((regexp_replace("substring"(bare.bare, '^[\x01-\x20]*[A-Za-z]+:[/\\]*([^/?#\\\x01-\x20]+)'::text), '^.*@'::text, ''::text) COLLATE "C")), CASE WHEN (bare.bare ~* '^[\x01-\x20]*https:'::text) THEN ':443$'::text ELSE ':80$'::text END, ''::text), 255) AS "left" FROM regexp_replace(mp_call_host.p_url, '[\t\n\r]'::text, ''::text, 'g'::text) bare(bare));

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
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.priority, h.worker, h.claim_time, h.run_time, h.dependents, h.edits
  ), kept as (
    insert into task_attempt (task_id, attempt, status, worker, claim_time, start_time, end_time, message)
    select id, case when prior_status in (3, 4) then attempt else -edits end, 8, case when prior_status in (3, 4) then worker end,
      case when prior_status in (3, 4) then claim_time end, case when prior_status in (3, 4) then run_time end, p_time, p_reason from u
    on conflict (task_id, attempt) do update set status = 8, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg((case when prior_status in (3, 4) then 3 else 7 end)::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses,
    array_agg(8::smallint) to_statuses, array_agg(attempt) attempts, array_agg(queue) queues, array_agg(case when prior_status in (3, 4) then coalesce(worker, 0) else edits end) workers,
    array_agg(id) filter (where dependents > 0) ended, array_agg(id) filter (where prior_status = 2) pending
  into moved from u;
  if moved.ids is null then return; end if;
  o_ids := moved.ids;
  o_from := moved.from_statuses;
  p_changes := mp_concat(p_changes, row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null));
  if moved.ended is not null then
    settled := mp_settle(moved.ended, array_fill(8::smallint, array[cardinality(moved.ended)]), '{}', '{}', '{}', '{}', p_late_only, p_time, p_changes);
    p_changes := settled.p_changes;
    o_ready := settled.o_ready;
  end if;
  -- When all tasks are locked: it may wait for a claim, which waits for nobody.
  perform mp_dequeue(moved.pending);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_cancel_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], p_reason text, OUT o_taken bigint[], OUT o_refused bigint[], OUT o_refused_statuses smallint[], OUT o_ready integer[], OUT o_follow_ups bigint[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  canceled record;
  appended record;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    return;
  end if;
  canceled := mp_cancel(p_ids, p_reason, false, clock_timestamp(), null::mp_changes);
  o_taken := canceled.o_ids;
  o_ready := canceled.o_ready;
  appended := mp_append_event(canceled.p_changes);
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}') into o_refused, o_refused_statuses from mp_refused(p_ids, o_taken) r;
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('taken', o_taken::text[], 'refused', o_refused::text[], 'statuses', o_refused_statuses));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_cancel_unneeded(p_ids bigint[], OUT o_changes mp_changes, OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  candidates bigint[];
  looked_at bigint[];
  unneeded bigint[];
  gone bigint[] := '{}';
  canceled record;
begin
  o_ready := '{}';
  looked_at := p_ids;
  candidates := '{}';
  loop
    select array_agg(distinct p.parent) into looked_at from mp_parents(looked_at) p where p.only_for_dependents and p.status < 6;
    exit when looked_at is null;
    candidates := candidates || looked_at;
  end loop;
  if cardinality(candidates) = 0 then return; end if;
  perform from task_state h where h.id = any (candidates) and h.status < 6 order by h.status in (1, 5), h.id for update;
  -- Level by level: one that only dependents keep that are to be canceled, too, has none left.
  looked_at := candidates;
  loop
    select array_agg(h.id) into unneeded from unnest(looked_at) x(id) join task_state h on h.id = any (array[x.id])
    where h.status < 6 and h.only_for_dependents and h.id <> all (gone)
      -- The newest first: they are the ones that most often have not ended.
      and not exists (select from task t cross join lateral (select c from unnest(t.children) c order by c desc offset 0) c(child)
        cross join lateral (select from task_state d where d.id = any (array[c.child]) and d.status < 6 and d.id <> all (gone) offset 0) d where t.id = any (array[x.id]))
      and not exists (select from (select e.child from edge_late e where e.parent = any (array[x.id]) order by e.child desc offset 0) l
        cross join lateral (select from task_state d where d.id = any (array[l.child]) and d.status < 6 and d.id <> all (gone) offset 0) d);
    exit when unneeded is null;
    gone := gone || unneeded;
    select array_agg(distinct p.parent) into looked_at from mp_parents(unneeded) p where p.only_for_dependents and p.status < 6;
    exit when looked_at is null;
  end loop;
  if cardinality(gone) = 0 then return; end if;
  canceled := mp_cancel(gone, 'every task that depends on it has ended', false, clock_timestamp(), o_changes);
  o_changes := canceled.p_changes;
  o_ready := canceled.o_ready;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_children(p_ids bigint[])
 RETURNS bigint[]
 LANGUAGE sql
 STABLE
AS $function$
  select coalesce(array_agg(distinct child), '{}') from (
    select c.child from unnest(p_ids) x(id) join task t on t.id = any (array[x.id]) cross join lateral unnest(t.children) c(child)
    union all
    select l.child from unnest(p_ids) x(id) cross join lateral (select e.child from edge_late e where e.parent = any (array[x.id]) offset 0) l
  ) edge
$function$;

CREATE OR REPLACE FUNCTION public.mp_choose_lanes(p_keys bigint[], p_time timestamp with time zone, OUT o_lanes bigint[], OUT o_most integer[], OUT o_waiting bigint[], OUT o_whole boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  few integer := 1;
  offered_max constant integer := 1000;
  lanes bigint[];
begin
  o_lanes := '{}';
  o_whole := true;
  if coalesce(cardinality(p_keys), 0) = 0 or not exists (select from blocked) then return; end if;
  lanes := mp_blocked_lanes(p_keys);
  if cardinality(lanes) > 1 and exists (select from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) where l.flow <> 0) then
    -- Claims take turns more evenly.
    few := 8;
  end if;
  if cardinality(lanes) <= few then
    o_lanes := lanes;
    o_most := array_fill(null::integer, array[cardinality(lanes)]);
    return;
  end if;
  if exists (select from paused_batch) then
    -- What is held is not offered, and must not be chosen in the place of what may start.
    perform mp_set_aside(lanes);
  end if;
  with pair as materialized (
    select p.*, least(p.bound_max - mp_taken(p.key, p.window_ms, u.in_use, p_time), offered_max)::integer as room from (
      select k.key, k.type, k.window_ms, l.id as lane, l.queue, l.flow, count(*) over (partition by k.key, l.queue) as n, max(k.bound) over (partition by k.key, l.queue) as bound_max
      from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys, l.types, l.bounds, l.windows) k(key, type, bound, window_ms) where k.key = any (p_keys)
    ) p join rule_usage u on u.key_id = any (array[p.key])
  ), head as materialized (
    select p.key, p.queue, p.room, p.lane, p.flow, b.rank, b.id, coalesce((select f.weight from flow f where f.id = p.flow), 1) as weight
    from pair p cross join lateral (select b.rank, b.id from blocked b where b.lane = p.lane order by b.rank, b.id limit 1) b
    where p.room > 0 and p.n > few and p.type <> 2
  ), able as materialized (
    select h.*, row_number() over (partition by h.key, h.queue order by h.rank, h.turn, h.chance) as place, count(*) over (partition by h.key, h.queue) as n from (
      select h.*, own.room as own_room, (row_number() over (partition by h.key, h.queue, h.rank, h.flow order by h.id) - 1) / h.weight as turn, random() as chance
      from head h cross join lateral (
        select least(min(k.bound - mp_taken(k.key, k.window_ms, u.in_use, p_time)), offered_max)::integer as room
        from lane l cross join lateral unnest(l.keys, l.bounds, l.windows) k(key, bound, window_ms) join rule_usage u on u.key_id = any (array[k.key]) where l.id = any (array[h.lane])) own
      where own.room > 0
    ) h
  ), task as (
    select a.key, a.queue, a.room, a.lane, greatest(16, 4 * a.room / a.n) < least(a.own_room, a.room) as is_cut, b.rank, (row_number() over (partition by a.key, a.queue, b.rank, a.flow order by b.id) - 1) / a.weight as turn, a.chance
    from able a cross join lateral (
      select b.rank, b.id from blocked b where b.lane = a.lane order by b.rank, b.id limit least(a.own_room, a.room, greatest(16, 4 * a.room / a.n))) b
    where a.place <= a.room
  ), picked as materialized (
    select t.key, t.queue, t.lane, t.room, t.is_cut, row_number() over (partition by t.key, t.queue order by t.rank, t.turn, t.chance) as n from task t
  ), chosen as (
    select p.lane, null::integer as most from pair p where p.type = 2 or (p.room > 0 and p.n <= few)
    union all
    select p.lane, count(*)::integer from picked p where p.n <= p.room group by p.lane
  )
  select coalesce(array_agg(c.lane), '{}'), array_agg(c.most), (select array_agg(w.lane) from (select min(p.lane) as lane from pair p where p.type = 3 and p.room <= 0 group by p.key) w),
    not exists (select from picked p group by p.key, p.queue, p.room having bool_or(p.is_cut) and count(*) < p.room)
  into o_lanes, o_most, o_waiting, o_whole from (select c.lane, case when bool_or(c.most is null) then null else max(c.most) end as most from chosen c group by c.lane) c;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_claim(p_queues integer[], p_max integer, p_workers integer[], p_leases integer[], p_turns jsonb DEFAULT NULL::jsonb, p_strictly boolean DEFAULT false, OUT o_ids bigint[], OUT o_attempts integer[], OUT o_places integer[], OUT o_more boolean, OUT o_turns jsonb)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
begin
  select c.o_ids, c.o_attempts, c.o_places, c.o_more, c.o_turns into o_ids, o_attempts, o_places, o_more, o_turns
  from mp_claim_tasks(p_queues, p_max, p_workers, p_leases, p_turns, p_strictly) c;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_claim_tasks(p_queues integer[], p_max integer, p_workers integer[], p_leases integer[], p_turns jsonb, p_strictly boolean, OUT o_ids bigint[], OUT o_attempts integer[], OUT o_places integer[], OUT o_more boolean, OUT o_turns jsonb, OUT o_time timestamp with time zone, OUT o_changed bigint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz;
  -- The first rows of ready of one queue, or the first tasks of ready_run, in the order of ids.
  front record;
  -- The first rows of ready_run, by rank and id. Nobody else takes them.
  run record;
  -- Whether tasks are taken by the row, of ready_run; whether that is because others hold what comes before, of ready; and how often others held those, too.
  by_row boolean;
  past_ready boolean := false;
  misses integer := 0;
  misses_max constant integer := 64;
  -- So many tasks of these rows are looked at; and behind which row, where others held all that was before.
  span integer;
  after_rank smallint := -32768;
  after_id bigint := 0;
  -- In the order of their places; the lanes of these.
  taken bigint[];
  lanes bigint[];
  removed bigint[];
  held bigint[];
  seen integer;
  -- How many rows of each of several queues are looked at.
  depth integer := p_max;
  heads integer;
  holds boolean;
  -- Of one queue, what others hold is passed over.
  passes_over boolean := false;
  -- All that was looked at may be less than there is.
  is_cut boolean := false;
  in_turns boolean := exists (select from fair_queue f where f.queue = any (p_queues));
  has_runs boolean := not in_turns and exists (select from ready_run r where r.queue = any (p_queues));
  -- What is taken, and its places, in the order of ids.
  chosen record;
  moved record;
  to_status smallint := case when p_workers is null then 3 else 4 end;
  n_workers integer := cardinality(p_workers);
  n_leases integer := cardinality(p_leases);
  limited boolean;
  -- How many tasks of which lanes.
  wanted record;
  admitted boolean := false;
  any_blocked boolean;
  moves mp_moves := row('{}', '{}', '{}');
  let_in record;
  working_lanes bigint[];
  -- Lanes to be offered: of which tasks have been taken out of ready, though not to start, or the last of those that may.
  passed bigint[] := '{}';
  -- Lanes of which something was offered that rules turned down: others may have what is left there.
  lost bigint[] := '{}';
  parked_lanes bigint[];
  parks integer := 0;
  parks_max constant integer := 5;
begin
  o_ids := '{}';
  o_attempts := '{}';
  o_places := '{}';
  o_turns := p_turns;
  if pg_advisory_xact_lock_shared(7710, 1) is null then return; end if;
  -- Taken is what this claim has removed from ready: a row that it sees may be gone, of a task that has been claimed and queued again meanwhile.
  loop
    by_row := false;
    is_cut := false;
    if has_runs then
      select h.o_places as places, h.o_queues as queues, h.o_ranks as ranks, h.o_ids as ids, h.o_tasks as tasks, h.o_befores as befores, h.o_total as total, cardinality(h.o_ids) as rows into run
      from mp_hold_runs(p_queues, p_max, after_rank, after_id) h;
      -- Where others hold very many, all of these rows is looked at, and nothing of them is passed over.
      span := case when misses < 4 then p_max else run.total end;
      -- Where nothing of ready comes before them; else they are looked at together, task by task.
      by_row := run.ids is not null and case when past_ready then true when run.total < p_max then not exists (
        select from unnest(p_queues) q(queue) where exists (select from ready r where r.queue = q.queue offset 0))
      else not exists (
        select from unnest(p_queues) q(queue) where exists (
          select from ready r where r.queue = q.queue and (r.rank, r.flow, r.id) < (run.ranks[run.rows], 0, run.ids[run.rows] + span - run.befores[run.rows]) offset 0)) end;
      if not by_row and run.ids is not null then
        perform mp_open_runs(p_queues, least(depth, 8 * p_max));
      end if;
    end if;
    if by_row then
      select array_agg(x.id order by x.id) as ids, array_agg(x.rank order by x.id) as ranks into front from (
        select x.id + n as id, x.rank from unnest(run.ids, run.ranks, run.tasks, run.befores) x(id, rank, tasks, before) cross join lateral generate_series(0, least(x.tasks, span - x.before) - 1) n
      ) x;
      with free as materialized (
        select h.id, h.lane, front.ranks[width_bucket(h.id, front.ids)] as rank from task_state h where h.id = any (front.ids) and h.status = 2 limit p_max for update skip locked
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), exists (select from paused_batch) into taken, lanes, holds from free;
      heads := cardinality(front.ids);
      if taken is null then
        misses := misses + 1;
        if misses > 4 then
          -- Somebody is about to cancel very many: they stay where they are.
          after_rank := run.ranks[run.rows];
          after_id := run.ids[run.rows];
          has_runs := misses < misses_max;
          continue;
        end if;
      end if;
      -- What somebody else held while the row was held has been out of sight: it is looked at again.
      is_cut := heads >= p_max or cardinality(taken) is distinct from heads;
      removed := taken;
      delete from ready_run where ctid = any (run.places);
      -- What is left of the last row, and what somebody else holds.
      if run.total > span then
        insert into ready_run (queue, rank, id, tasks)
        values (run.queues[run.rows], run.ranks[run.rows], run.ids[run.rows] + span - run.befores[run.rows], run.total - span);
      end if;
      if taken is null or cardinality(taken) < heads then
        insert into ready (queue, rank, flow, id)
        select x.queue, x.rank, 0, x.id + n from unnest(run.queues, run.ids, run.ranks, run.tasks, run.befores) x(queue, id, rank, tasks, before)
          cross join lateral generate_series(0, least(x.tasks, span - x.before) - 1) n where (x.id + n in (select unnest(taken))) is not true on conflict do nothing;
      end if;
      continue when taken is null;
    elsif in_turns then
      select t.o_ids, t.o_lanes, t.o_ids, t.o_turns, t.o_more, 0, exists (select from paused_batch) into taken, lanes, removed, o_turns, o_more, heads, holds
      from mp_take_turns(p_queues, p_max, o_turns) t;
    elsif cardinality(p_queues) = 1 and not passes_over then
      -- The head of the queue by one scan of the index of tasks, in the order of their ids; which row of ready is whose is found by halving: a join would look for each task by itself. The arrays are in a
      -- record, not in FROM: there, they would be copied for each row that is locked. The places of rows stay theirs until they are deleted below, for
      -- the statement that called this began before: nothing that it may see is vacuumed away.
      select coalesce(array_agg(r.id order by r.id), '{}') as ids, array_agg(r.ctid order by r.id) as places, array_agg(r.rank order by r.id) as ranks into front from (
        select r.ctid, r.rank, r.id from ready r where r.queue = p_queues[1] order by r.rank, r.flow, r.id limit p_max
      ) r;
      with free as materialized (
        select h.id, h.lane, front.places[width_bucket(h.id, front.ids)] as place, front.ranks[width_bucket(h.id, front.ids)] as rank
        from task_state h where h.id = any (front.ids) and h.status = 2 for update skip locked
      ), gone as (
        delete from ready where ctid = any (array(select free.place from free)) returning id
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), (select array_agg(id) from gone), cardinality(front.ids), exists (select from paused_batch)
      into taken, lanes, removed, heads, holds from free;
      is_cut := heads = p_max;
      -- Somebody else holds all of it: what is behind is looked at one by one.
      if taken is null and heads > 0 then
        passes_over := true;
        depth := depth * 8;
        continue;
      end if;
    elsif cardinality(p_queues) = 1 then
      with free as materialized (
        select r.ctid, r.rank, r.id, h.lane from ready r join task_state h on h.id = any (array[r.id]) where r.queue = p_queues[1] and h.status = 2
        order by r.rank, r.flow, r.id limit p_max for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(select ctid from free)) returning id
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), (select array_agg(id) from gone), 0, exists (select from paused_batch)
      into taken, lanes, removed, heads, holds from free;
      is_cut := has_runs and taken is not null;
    else
      -- Only what is taken is locked: the heads of all queues are more.
      with head as materialized (
        select r.queue, r.rank, r.flow, r.id from unnest(p_queues) q(queue) cross join lateral (
          select r.queue, r.rank, r.flow, r.id from ready r where r.queue = q.queue order by r.rank, r.flow, r.id limit depth
        ) r order by r.rank, r.id
      ), free as materialized (
        select head.queue, head.rank, head.flow, h.lane, h.id from head join task_state h on h.id = any (array[head.id]) where h.status = 2 limit p_max for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(
          select r.place from free cross join lateral (
            select q.ctid as place from ready q where q.queue = free.queue and q.rank = free.rank and q.flow = free.flow and q.id = free.id offset 0) r)) returning id
      )
      select array_agg(free.id order by free.rank, free.id), array_agg(free.lane order by free.rank, free.id), (select array_agg(id) from gone), (select count(*) from head),
        exists (select from paused_batch)
      into taken, lanes, removed, heads, holds from free;
      is_cut := has_runs and taken is not null;
    end if;
    if cardinality(removed) is distinct from cardinality(taken) then
      select array_agg(x.id order by x.n), array_agg(x.lane order by x.n) into taken, lanes from unnest(taken, lanes) with ordinality x(id, lane, n) where x.id in (select unnest(removed));
    end if;
    seen := coalesce(cardinality(taken), 0);
    -- A worker with one place takes the last task of a queue as often as not: who waits next must know that there is nothing left.
    o_more := coalesce(in_turns and o_more, false) or ((seen = p_max or is_cut) and exists (
      select from unnest(p_queues) q(queue) where exists (select from ready_run r where r.queue = q.queue offset 0) or exists (select from ready r where r.queue = q.queue offset 0)));
    if taken is null then
      -- Others hold the heads: what is behind them may be free.
      if heads < depth or depth > 64 * p_max then
        exit when past_ready or not has_runs;
        past_ready := true;
      end if;
      depth := depth * 8;
      continue;
    end if;
    if holds then
      with parted as materialized (
        select h.id, x.place, h.batch_id, h.queue, h.priority, h.flow, h.lane, p.batch_id is not null as is_held from unnest(taken) with ordinality x(id, place)
          join task_state h on h.id = any (array[x.id]) left join paused_batch p on p.batch_id = any (array[h.batch_id])
      ), kept as (
        insert into parked (batch_id, id, queue, rank, flow, lane) select batch_id, id, queue, -priority, coalesce(flow, 0), lane from parted where is_held on conflict do nothing
      )
      select array_agg(id order by place) filter (where not is_held), array_agg(lane order by place) filter (where not is_held), array_agg(id) filter (where is_held),
        array_agg(distinct lane) filter (where is_held and lane is not null)
      into taken, lanes, held, parked_lanes from parted;
      if held is not null then
        -- There is more of that batch where this was.
        passed := passed || parked_lanes || mp_park(p_queues, p_max);
        o_more := true;
        parks := parks + 1;
      end if;
    end if;
    -- What is held may be a million: others go on with it.
    exit when taken is not null or parks = parks_max;
  end loop;
  limited := array_remove(lanes, null) <> '{}';
  if limited then
    select array_agg(g.lane) as lanes, array_agg(g.n) as counts into wanted from (
      select x.lane, count(*) as n from unnest(lanes) x(lane) where x.lane is not null group by x.lane) g;
    if p_strictly or not mp_have_room(wanted.lanes, wanted.counts) then
      let_in := mp_admit(taken, lanes);
      admitted := true;
      taken := nullif(let_in.o_ids, '{}');
      now_time := let_in.o_time;
      o_more := o_more or let_in.o_blocked <> '{}';
      working_lanes := array(select l.id from (select distinct x.lane from unnest(lanes) x(lane)) x join lane l on l.id = any (array[x.lane]) where l.has_capacity);
    end if;
  end if;
  if taken is null then
    if admitted then
      lost := mp_turn_down(let_in.o_blocked, let_in.o_keys);
    end if;
    perform mp_offer(array(select distinct lane from unnest(passed || mp_drained_lanes(lanes)) x(lane)), '{}', coalesce(now_time, clock_timestamp()), array(
      select distinct k.key from unnest(lost || passed) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)), lost);
    return;
  end if;

  -- Later than the commit of whatever made them ready: the times of parents and children are in order.
  now_time := coalesce(now_time, clock_timestamp());
  select array_agg(x.id order by x.id) as ids, array_agg(x.place::integer order by x.id) as places into chosen from unnest(taken) with ordinality x(id, place);
  with u as (
    update task_state h set status = to_status, prior_status = 2, attempt = h.attempt + 1, worker = p_workers[case when n_workers = 1 then 1 else least(chosen.places[width_bucket(h.id, chosen.ids)], n_workers) end],
      claim_time = now_time, run_time = case when to_status = 4 then now_time end, activity_time = now_time,
      lease_until = now_time + case when to_status = 4 then p_leases[case when n_leases = 1 then 1 else least(chosen.places[width_bucket(h.id, chosen.ids)], n_leases) end] else h.start_timeout_ms end * interval '1 millisecond',
      held_lane = h.lane, held_amount = case when h.lane = any (working_lanes) then (
        select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t where t.id = any (array[h.id])) end
    where h.id = any (chosen.ids) and h.status = 2
    returning h.id, h.batch_id, h.attempt, h.queue, h.worker, h.lane, h.held_amount, chosen.places[width_bucket(h.id, chosen.ids)] as place, h.lease_until, h.inactivity_timeout_ms, h.execution_timeout_ms,
      h.attempt > 1 or h.edits > 0 or h.success_count > 0 or h.failure_count > 0 as is_changed
  )
  select array_agg(batch_id) as batch_ids, array_agg(id) as ids, array_agg(attempt) as attempts, array_agg(queue) as queues, array_agg(worker) as workers, array_agg(lane) as lanes, array_agg(held_amount) as amounts,
    array_agg(place) as places, array_agg(id) filter (where is_changed) as changed, min(case when to_status = 4 then least(lease_until, now_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')
      else lease_until end) as due
  into moved from u;
  if moved.ids is null then return; end if;
  insert into timer (due, task_ids, attempts) values (moved.due, moved.ids, moved.attempts);
  if limited then
    if admitted or cardinality(moved.ids) < cardinality(taken) then
      select array_agg(g.lane), array_agg(g.n), array_agg(g.amount) into moves.lanes, moves.holders, moves.amounts from (
        select x.lane, count(*) as n, coalesce(sum(x.amount), 0) as amount from unnest(moved.lanes, moved.amounts) x(lane, amount) where x.lane is not null group by x.lane) g;
    else
      moves := row(wanted.lanes, wanted.counts, array_fill(0, array[cardinality(wanted.lanes)]));
    end if;
    -- Of what was taken, perhaps only tasks without rules were let in.
    if moves.lanes is not null then
      perform mp_keep_holds(moved.ids, moved.lanes, cardinality(moves.lanes), now_time);
    end if;
  end if;
  o_ids := moved.ids;
  o_attempts := moved.attempts;
  o_places := moved.places;
  o_time := now_time;
  o_changed := moved.changed;
  perform mp_append_event(row(array[2::smallint], moved.batch_ids, moved.ids, array[2::smallint], array[to_status], moved.attempts, moved.queues,
    case when to_status = 4 then moved.workers else array[0] end, null, null)::mp_changes, '{}', null, '{}', admitted, moves);
  if admitted then
    -- As the keys are locked, and say what has been taken: somebody may have blocked more meanwhile.
    if let_in.o_blocked <> '{}' then
      lost := mp_turn_down(let_in.o_blocked, let_in.o_keys);
    end if;
  end if;
  if limited or passed <> '{}' then
    -- While nothing at all is blocked, there is nothing to offer.
    any_blocked := exists (select from blocked);
    if limited and any_blocked then
      passed := passed || mp_drained_lanes(lanes);
    end if;
    if any_blocked or passed <> '{}' then
      perform mp_offer(array(select distinct lane from unnest(passed) x(lane)), '{}', now_time, case when any_blocked then array(
        select distinct k.key from unnest(lanes || lost || passed) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)) end, lost);
    end if;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_concat(a mp_changes, b mp_changes)
 RETURNS mp_changes
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select row(a.types || b.types, a.batch_ids || b.batch_ids, a.task_ids || b.task_ids, a.from_statuses || b.from_statuses, a.to_statuses || b.to_statuses,
    a.attempts || b.attempts, a.queues || b.queues, a.workers || b.workers, a.success_counts || b.success_counts, a.failure_counts || b.failure_counts)::mp_changes
$function$;

CREATE OR REPLACE FUNCTION public.mp_create(p_namespace integer, p_batch bigint, p_new boolean, p_name text, p_metadata text, p_open boolean, p_request_id text, p_hash bytea, p_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[], p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamp with time zone[], p_start_timeouts integer[], p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[], p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[], p_late_children bigint[], p_late_parents bigint[], p_late_conditions smallint[], p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[], p_only_for_dependents boolean[], p_serves boolean[], p_paused boolean, p_on_complete text, p_on_complete_count smallint, p_answer jsonb, p_lanes bigint[], p_flows integer[], OUT o_result jsonb, OUT o_replayed_hash bytea, OUT o_ready integer[], OUT o_follow_ups bigint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz;
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
  late_serves bigint[] := '{}';
  passed_over integer[] := '{}';
  attentive boolean;
  appended record;
begin
  select * into o_result, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_result is not null then return; end if;
  -- Kinds get a new shape of deduplication while no create is under way.
  perform pg_advisory_xact_lock_shared(7710, 2);

  if cardinality(p_late_parents) > 0 then
    perform mp_lock_tasks(p_late_parents, true);
    update task_state h set dependents = h.dependents + x.n, grown = true, prior_status = 0
    from (select p, count(*)::integer n from unnest(p_late_parents) p group by p) x where h.id = any (array[x.p]) and h.status < 6;
    select array_agg(x.parent order by x.n) filter (where h.status > 5), array_agg(h.status order by x.n) filter (where h.status > 5),
      array_agg(x.child order by x.n) filter (where h.status > 5), array_agg(x.condition order by x.n) filter (where h.status > 5),
      min(x.parent) filter (where h.id is null or t.id is null)
    into ended_parents, ended_statuses, ended_children, ended_conditions, missing
    from unnest(p_late_children, p_late_parents, p_late_conditions) with ordinality x(child, parent, condition, n)
      left join task_state h on h.id = any (array[x.parent]) left join task t on t.id = any (array[x.parent]) and t.namespace_id = p_namespace;
    if missing is not null then
      raise exception using errcode = 'MP003', message = 'no such parent', detail = missing::text;
    end if;
    -- Claims pass over parents that might start, while they are locked.
    select coalesce(array_agg(distinct x.child) filter (where h.only_for_dependents), '{}'), coalesce(array_agg(distinct h.queue) filter (where h.status = 2), '{}')
    into late_serves, passed_over from unnest(p_late_children, p_late_parents) x(child, parent) join task_state h on h.id = any (array[x.parent])
    where h.only_for_dependents or h.status = 2;
  end if;

  now_time := clock_timestamp();
  attentive := cardinality(late_serves) > 0 or coalesce(true = any (p_critical), false) or coalesce(true = any (p_only_for_dependents), false)
    or coalesce(true = any (p_serves), false) or 2 = any (p_executions) or exists (select from unnest(p_notifies) n where n <> 0);
  if p_new then
    insert into batch (id, namespace_id, create_time, name, metadata, on_complete) values (p_batch, p_namespace, now_time, p_name, p_metadata::jsonb, p_on_complete);
    insert into batch_state (batch_id, open, status, on_complete, attentive, limited)
    values (p_batch, p_open, case when p_paused then 2 else 1 end, p_on_complete_count, attentive, p_lanes is not null);
    if p_paused then
      insert into paused_batch (batch_id) values (p_batch);
    end if;
  end if;
  insert into task (id, batch_id, open_batch_id, create_time, expected_count, namespace_id, queue, key, name, parents, parent_conditions,
    children, child_conditions, metadata, input, spec)
  select x.id, p_batch, case when p_open then p_batch end, now_time, x.expected, p_namespace, x.queue, x.key, x.name, x.parents::bigint[],
    x.parent_conditions::smallint[], x.children::bigint[], x.child_conditions::smallint[], x.metadata::jsonb, x.input, x.spec
  from unnest(p_ids, p_queues, p_keys, p_names, p_metadatas, p_inputs, p_specs, p_expected, p_parents, p_parent_conditions, p_children, p_child_conditions)
    x(id, queue, key, name, metadata, input, spec, expected, parents, parent_conditions, children, child_conditions);
  insert into task_state (id, batch_id, start_time, end_time, deps_left, dependents, queue, start_timeout_ms, inactivity_timeout_ms, status, priority, execution,
    unmet_policy, cascades, retry_policy, execution_timeout_ms, total_timeout_ms, total_deadline, notifies, critical, only_for_dependents, serves, lane, flow)
  select x.id, p_batch, x.start_time, case when x.execution = 3 and x.status = 2 and coalesce(x.start_time <= now_time, true) then now_time end,
    x.deps_left, x.dependents, x.queue, x.start_timeout, x.inactivity_timeout,
    case when x.execution = 3 and x.status = 2 and coalesce(x.start_time <= now_time, true) then 6 else x.status end, x.priority, x.execution,
    x.unmet_policy, coalesce(x.cascades, false), x.policy, x.execution_timeout, x.total_timeout,
    now_time + x.total_timeout * interval '1 millisecond', coalesce(x.notifies, 0), coalesce(x.critical, false), coalesce(x.only_for_dependents, false),
    coalesce(x.serves, false) or x.id = any (late_serves), x.lane, x.flow
  from unnest(p_ids, p_start_times, p_deps_left, p_dependents, p_queues, p_start_timeouts, p_inactivity_timeouts, p_statuses, p_priorities, p_executions,
      p_unmet_policies, p_cascades, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical, p_only_for_dependents, p_serves, p_lanes, p_flows)
    x(id, start_time, deps_left, dependents, queue, start_timeout, inactivity_timeout, status, priority, execution,
      unmet_policy, cascades, policy, execution_timeout, total_timeout, notifies, critical, only_for_dependents, serves, lane, flow);
  if exists (select from unnest(p_total_timeouts) t where t is not null) then
    insert into timer (due, task_ids, attempts)
    select now_time + t * interval '1 millisecond', array_agg(id), array_agg(-1) from unnest(p_ids, p_total_timeouts) x(id, t) where t is not null group by t;
  end if;
  if exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(p_ids);
  end if;
  if 2 = any (p_statuses) then
    with free as materialized (
      select x.* from unnest(p_ids, p_queues, p_priorities, p_start_times, p_statuses, p_executions, p_lanes, p_flows) x(id, queue, priority, start_time, status, execution, lane, flow) where x.status = 2
    ), queued as (
      insert into ready (queue, rank, flow, id, lane) select queue, -priority, coalesce(flow, 0), id, lane from free where execution <> 3 and coalesce(start_time <= now_time, true) returning queue
    ), delayed as (
      insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(0) from free where start_time > now_time group by start_time
    )
    select coalesce((select array_agg(distinct queue) from queued), '{}'), array_agg(id) filter (where execution = 3 and coalesce(start_time <= now_time, true)),
      array_agg(queue) filter (where execution = 3 and coalesce(start_time <= now_time, true))
    into ready_queues, joined, joined_queues from free;
  end if;
  if cardinality(p_late_parents) > 0 then
    insert into edge_late (parent, child, condition) select * from unnest(p_late_parents, p_late_children, p_late_conditions);
  end if;

  changes := row(array_fill(1::smallint, array[cardinality(p_ids)]), array_fill(p_batch, array[cardinality(p_ids)]), p_ids,
    array_fill(0::smallint, array[cardinality(p_ids)]), p_statuses, array_fill(0, array[cardinality(p_ids)]), p_queues,
    array_fill(0, array[cardinality(p_ids)]), null, null);
  if p_new then
    changes := mp_concat(row(array[5::smallint], array[p_batch], array[0::bigint], array[0::smallint], array[(case when p_paused then 2 else 1 end)::smallint], array[0], array[0], array[0], null, null), changes);
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
      -- This very call, made at the same time and taken just now: it is made again, and answered.
      if p_request_id is not null and exists (select from request where namespace_id = p_namespace and request_id = p_request_id) then
        raise exception using errcode = 'serialization_failure', message = 'the request_id has been answered meanwhile';
      end if;
      if exists (select from batch where id = p_batch and namespace_id = p_namespace) then
        raise exception using errcode = 'MP002', message = 'batch is sealed';
      end if;
      raise exception using errcode = 'MP001', message = 'no such batch';
    end if;
    if attentive then
      update batch_state b set attentive = true where b.batch_id = p_batch and not b.attentive;
    end if;
    if p_lanes is not null then
      update batch_state b set limited = true where b.batch_id = p_batch and not b.limited;
    end if;
  end if;
  if expected is not null then
    update batch_state set expected_count = coalesce(expected_count, 0) + expected where batch_id = p_batch;
  end if;
  insert into batch_queue (queue, batch_id) select distinct q, p_batch from unnest(p_queues) q order by q on conflict do nothing;
  appended := mp_append_event(changes, array[p_batch]);
  o_follow_ups := appended.o_follow_ups;
  o_ready := ready_queues || passed_over || case when appended.o_wake then array[0] else '{}' end;
  select jsonb_build_object('batch', mp_batch_json(p_batch), 'moved', array_agg(x.id::text order by x.n), 'moved_to', array_agg(x.to_status order by x.n))
  into o_result from unnest(changes.task_ids, changes.types, changes.to_statuses) with ordinality x(id, type, to_status, n) where x.type in (2, 3, 7);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, o_result || jsonb_build_object('answer', p_answer));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_create_graphs(p_namespace integer, p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[], p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[], p_request_ids text[], p_hashes bytea[], p_answers jsonb[], p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[], p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamp with time zone[], p_start_timeouts integer[], p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[], p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[], p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[], p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[], p_lanes bigint[], p_flows integer[], p_limited boolean[], OUT o_time timestamp with time zone, OUT o_answered text[], OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  n integer := cardinality(p_ids);
  lanes bigint[];
  tight bigint[];
begin
  select b.o_answered, b.o_time into o_answered, o_time from mp_begin_graphs(p_namespace, p_request_ids) b;
  if o_answered is not null then return; end if;
  if n > 1 then
    p_batch_ids := mp_fill(p_batch_ids, n);
    p_queues := mp_fill(p_queues, n);
    p_statuses := mp_fill(p_statuses, n);
    p_workers := mp_fill(p_workers, n);
  end if;
  if p_lanes is not null and p_workers is not null then
    lanes := array(select x.lane from unnest(p_workers, p_lanes) x(worker, lane) where x.worker is not null and x.lane is not null);
    if lanes <> '{}' and (exists (select from blocked) or not mp_are_roomy(lanes)) then
      raise exception using errcode = 'MP006', message = 'a rule may have no room';
    end if;
  end if;
  tight := mp_tight_of_pending(p_statuses, p_lanes);
  o_ready := mp_write_tasks(p_namespace, o_time, p_ids, p_batch_ids, p_open_batch_ids, p_queues, p_executions, p_statuses, p_priorities, p_keys, p_names,
    p_metadatas, p_inputs, p_specs, p_expected, p_start_times, p_start_timeouts, p_inactivity_timeouts, p_unmet_policies, p_deps_left, p_dependents,
    p_cascades, p_parents, p_parent_conditions, p_children, p_child_conditions, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical,
    p_only_for_dependents, p_serves, p_workers, p_leases, p_lanes, p_flows, tight);
  perform mp_write_batches(p_namespace, o_time, p_batches, p_batch_names, p_batch_metadatas, p_open, p_paused, p_on_completes, p_on_complete_counts, p_totals,
    p_waiting, p_running, p_batch_expected, p_attentive, p_request_ids, p_hashes, p_answers,
    p_ids, p_batch_ids, p_queues, p_statuses, p_workers, p_limited, p_lanes, tight);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_dedupe_hash(p_shape integer, p_fields text[], p_metadata jsonb)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select hashtextextended((select coalesce(jsonb_agg(p_metadata -> f order by n)::text, '[]') from unnest(p_fields) with ordinality x(f, n)), p_shape)
$function$;

CREATE OR REPLACE FUNCTION public.mp_dedupe_hashes(p_namespace integer, p_queue integer, p_metadata jsonb)
 RETURNS TABLE(shape integer, hash bigint)
 LANGUAGE sql
 STABLE ROWS 2
AS $function$
  select s.id, mp_dedupe_hash(s.id, s.fields, p_metadata)
  from queue q join dedupe_shape s on s.namespace_id = any (array[p_namespace]) and s.kind = q.kind
  where q.id = any (array[p_queue]) and jsonb_exists_all(coalesce(p_metadata, '{}'), s.fields)
$function$;

CREATE OR REPLACE FUNCTION public.mp_delivery_host(p_trigger smallint, p_position smallint, p_source text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
declare
  source json;
begin
  source := case when strpos(p_source, '\u') > 0 then regexp_replace(replace(p_source, '\\', '\/'), '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '', 'g') else p_source end;
  return mp_call_host(case p_trigger
    when 4 then source -> p_position::integer
    when 5 then source
    else source -> (case p_trigger when 1 then 'onSuccess' when 2 then 'onFailure' else 'onCancel' end) -> p_position::integer end ->> 'url');
exception when data_exception then
  return null;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_dequeue(p_ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  ids bigint[] := p_ids;
  found_ids bigint[];
  gone bigint[];
begin
  perform mp_leave_runs(p_ids);
  for turn in 1 .. 3 loop
    exit when coalesce(cardinality(ids), 0) = 0;
    -- In the order in which ResumeBatch takes them.
    perform from (
      select h.batch_id, h.id from unnest(ids) x(id) join task_state h on h.id = any (array[x.id]) order by h.batch_id, h.id
    ) x cross join lateral (select p.id from parked p where p.batch_id = x.batch_id and p.id = x.id offset 0 for update) k;
    with parked_rows as (
      delete from parked where ctid = any (array(
        select k.place from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
          cross join lateral (select p.ctid as place from parked p where p.batch_id = h.batch_id and p.id = h.id offset 0) k)) returning id
    )
    select array_agg(id) into found_ids from parked_rows;
    perform from (
      select h.lane, -h.priority as rank, h.id from unnest(ids) x(id) join task_state h on h.id = any (array[x.id]) where h.lane is not null order by h.lane, -h.priority, h.id
    ) x cross join lateral (select b.id from blocked b where b.lane = x.lane and b.rank = x.rank and b.id = x.id offset 0 for update) k;
    with blocked_rows as (
      delete from blocked where ctid = any (array(
        select k.place from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
          cross join lateral (select b.ctid as place from blocked b where b.lane = h.lane and b.rank = -h.priority and b.id = h.id offset 0) k)) returning id
    )
    select array_agg(id) into gone from blocked_rows;
    found_ids := found_ids || gone;
    with ready_rows as (
      delete from ready where ctid = any (array(
        select r.place from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
          cross join lateral (select q.ctid as place from ready q where q.queue = h.queue and q.rank = -h.priority and q.flow = coalesce(h.flow, 0) and q.id = h.id offset 0) r)) returning id
    )
    select array_agg(id) into gone from ready_rows;
    found_ids := found_ids || gone;
    -- Of those without rules, and those whose start time is still to come, nothing is moved but by ResumeBatch.
    select array_agg(x.id) into ids from (select unnest(ids) as id except select unnest(found_ids)) x
      cross join lateral (select from task_state h where h.id = x.id and h.lane is not null and coalesce(h.start_time <= clock_timestamp(), true) offset 0) h;
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_drained_lanes(p_lanes bigint[])
 RETURNS bigint[]
 LANGUAGE sql
 STABLE
AS $function$
  select array_agg(l.id) from (select distinct x.lane from unnest(p_lanes) x(lane) where x.lane is not null) x join lane l on l.id = any (array[x.lane])
  where exists (select from blocked b where b.lane = l.id offset 0) and not exists (select from ready r where r.lane = l.id offset 0)
    and (3 = any (l.types) or not exists (
      select from unnest(l.keys, l.bounds) k(key, bound) cross join lateral (select u.in_use from rule_usage u where u.key_id = k.key offset 0) u where u.in_use >= k.bound))
$function$;

CREATE OR REPLACE FUNCTION public.mp_duration(p_ms bigint)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select case when p_ms < 1000 then p_ms || ' ms' when p_ms % 3600000 = 0 then p_ms / 3600000 || ' h' when p_ms % 60000 = 0 then p_ms / 60000 || ' min'
    else trim_scale(p_ms / 1000.0) || ' s' end
$function$;

CREATE OR REPLACE FUNCTION public.mp_end_starts(p_tasks bigint[], p_attempts integer[])
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  opened integer;
begin
  with gated as materialized (
    select d.id from unnest(p_tasks, p_attempts) x(task, attempt) cross join lateral (
      select d.id from delivery d where d.task_id = x.task and d.attempt = x.attempt and d.state + 0 = 1 and d.fence = 0 and d.due > clock_timestamp() offset 0
    ) d
  ), mine as materialized (
    select id from delivery where id = any (array(select id from gated)) and state + 0 = 1 and fence = 0 order by id for update
  )
  update delivery d set due = clock_timestamp() where d.id = any (array(select id from mine));
  get diagnostics opened = row_count;
  return opened;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_enqueue(p_ids bigint[], p_time timestamp with time zone)
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
declare
  queues integer[];
  soonest timestamptz;
begin
  with free as materialized (
    select h.id, h.queue, h.priority, h.start_time, h.attempt, h.lane, coalesce(h.flow, 0) as flow from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]) where h.status = 2
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, -priority, flow, id, lane from free where coalesce(start_time <= p_time, true) on conflict do nothing
  ), delayed as (
    insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(attempt) from free where start_time > p_time group by start_time
  )
  select array_agg(distinct queue) filter (where coalesce(start_time <= p_time, true)), min(start_time) filter (where start_time > p_time) into queues, soonest from free;
  if soonest is not null then
    perform mp_tell_timers(soonest);
  end if;
  return coalesce(queues, '{}');
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

CREATE OR REPLACE FUNCTION public.mp_fill(a anyarray, n integer)
 RETURNS anyarray
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select case when cardinality(a) < n then a || array_fill(a[cardinality(a)], array[n - cardinality(a)]) else a end
$function$;

CREATE OR REPLACE FUNCTION public.mp_fill_dedupe_shape(p_shape integer, p_step integer)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
declare
  shape dedupe_shape;
  queues integer[];
  lowest bigint;
begin
  select * into shape from dedupe_shape where id = p_shape for update;
  if shape.filled_below = 0 then return 0; end if;
  queues := array(select id from queue where namespace_id = shape.namespace_id and kind = shape.kind);
  with older as materialized (
    select t.id, t.queue, t.metadata from task t where t.id < shape.filled_below order by t.id desc limit p_step
  ), added as (
    insert into dedupe_key (shape, hash, task_id)
    select p_shape, mp_dedupe_hash(p_shape, shape.fields, o.metadata), o.id
    from older o where o.queue = any (queues) and jsonb_exists_all(coalesce(o.metadata, '{}'), shape.fields) on conflict do nothing
  )
  select case when count(*) = p_step then min(id) else 0 end into lowest from older;
  update dedupe_shape set filled_below = lowest where id = p_shape;
  return lowest;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_find_duplicates(p_items integer[], p_shapes integer[], p_metadatas text[], p_statuses text[])
 RETURNS TABLE(o_item integer, o_task_id bigint, o_status smallint)
 LANGUAGE plpgsql
AS $function$
declare
  lot integer;
begin
  for lot in
    select distinct (mp_dedupe_hash(s.id, s.fields, x.metadata::jsonb) & 255)::integer
    from unnest(p_shapes, p_metadatas) x(shape, metadata) join dedupe_shape s on s.id = any (array[x.shape]) order by 1
  loop
    perform pg_advisory_xact_lock(7711, lot);
  end loop;

  -- What has ended is marked, so that it is looked at once only; not what is being retried just now.
  with wanted as materialized (
    select distinct s.id as shape, mp_dedupe_hash(s.id, s.fields, x.metadata::jsonb) as hash
    from unnest(p_shapes, p_metadatas) x(shape, metadata) join dedupe_shape s on s.id = any (array[x.shape])
  ), over as materialized (
    select k.place from wanted w cross join lateral (
        select q.ctid as place, q.task_id from dedupe_key q where q.shape = w.shape and q.hash = w.hash and not q.ended offset 0
      ) k join task_state h on h.id = any (array[k.task_id]) where h.status > 5 for share of h skip locked
  )
  update dedupe_key set ended = true where ctid = any (array(select place from over));

  return query
  select x.item, f.task_id, f.status
  from unnest(p_items, p_shapes, p_metadatas, p_statuses) x(item, shape, metadata, statuses) join dedupe_shape s on s.id = any (array[x.shape])
    cross join lateral (
      select mp_dedupe_hash(s.id, s.fields, x.metadata::jsonb) as hash
    ) v cross join lateral (
      (select k.task_id, h.status from dedupe_key k join task_state h on h.id = any (array[k.task_id]) join task t on t.id = any (array[k.task_id])
        where k.shape = x.shape and k.hash = v.hash and not k.ended and h.status = any (x.statuses::smallint[])
          and (select bool_and(t.metadata -> e = x.metadata::jsonb -> e) from unnest(s.fields) e) is not false
        order by k.task_id desc limit 1)
      union all
      (select k.task_id, h.status from dedupe_key k join task_state h on h.id = any (array[k.task_id]) join task t on t.id = any (array[k.task_id])
        where x.statuses::smallint[] && '{6,7,8,9}' and k.shape = x.shape and k.hash = v.hash and k.ended and h.status = any (x.statuses::smallint[])
          and (select bool_and(t.metadata -> e = x.metadata::jsonb -> e) from unnest(s.fields) e) is not false
        order by k.task_id desc limit 1)
      limit 1
    ) f;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_find_request(p_namespace integer, p_request_id text, OUT o_result jsonb, OUT o_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  is_outdated boolean;
begin
  if p_request_id is null then return; end if;
  select case when result ? 'new_batch' then mp_kept_create(result) else result end, body_hash, create_time < now() - interval '24 hours' into o_result, o_hash, is_outdated
  from request where namespace_id = p_namespace and request_id = p_request_id;
  if is_outdated then
    o_result := null;
    o_hash := null;
    -- Not by the index of create_time: all others that are as old have been waiting for the loop that forgets them.
    delete from request where namespace_id = p_namespace and request_id = p_request_id and create_time + interval '24 hours' < now();
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_finish_graphs(p_namespace integer, p_time timestamp with time zone, p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[], p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[], p_request_ids text[], p_hashes bytea[], p_answers jsonb[], p_ids bigint[], p_batch_ids bigint[], p_queues integer[], p_statuses smallint[], p_workers integer[], p_limited boolean[], p_lanes bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform mp_write_batches(
    p_namespace, p_time, p_batches, p_batch_names, p_batch_metadatas, p_open, p_paused, p_on_completes, p_on_complete_counts, p_totals, p_waiting,
    p_running, p_batch_expected, p_attentive, p_request_ids, p_hashes, p_answers, p_ids, p_batch_ids, p_queues, p_statuses, p_workers, p_limited,
    p_lanes, mp_tight_of_pending(p_statuses, p_lanes));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_fire_alarms(OUT o_next timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  places tid[];
  rung bigint[];
begin
  select array_agg(a.place), array_agg(distinct a.key_id) into places, rung from (
    select ctid as place, key_id from rule_alarm where due <= now_time order by due, key_id limit 1000 for update skip locked) a;
  if places is not null then
    perform from rule_usage u where u.key_id = any (rung) order by u.key_id for update;
    perform mp_offer('{}', '{}', clock_timestamp(), rung);
    delete from rule_alarm where ctid = any (places);
  end if;
  -- Not min(): see mp_fire_timers.
  o_next := (select a.due from rule_alarm a order by a.due limit 1);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_fire_timers(p_rows integer, p_tasks integer, OUT o_rows integer, OUT o_more boolean, OUT o_ready integer[], OUT o_follow_ups bigint[], OUT o_next timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  ids bigint[];
  attempts integer[];
  wholes boolean[];
  heads bigint;
  entries bigint;
  moved record;
  settled record;
  changes mp_changes;
  appended record;
begin
  o_ready := '{}';
  o_follow_ups := '{}';
  -- As many rows as it takes to have p_tasks; the rest of the last one, if it is larger, becomes rows of that size.
  with head as materialized (
    select t.ctid as place, t.due, t.id, cardinality(t.task_ids) as tasks from timer t where t.due <= now_time order by t.due, t.id limit p_rows
  ), due as materialized (
    select place from (select place, tasks, sum(tasks) over (order by due, id) as total from head) running where total - tasks < p_tasks
  ), gone as (
    delete from timer t where t.ctid = any (array(
      select l.ctid from timer l where l.ctid = any (array(select place from due)) for update skip locked)) returning t.due, t.task_ids, t.attempts
  ), entry as materialized (
    select gone.due, x.id, x.attempt, row_number() over (order by gone.due, x.id) n from gone, unnest(gone.task_ids, gone.attempts) x(id, attempt)
  ), later as (
    insert into timer (due, task_ids, attempts) select min(due), array_agg(id), array_agg(attempt) from entry where n > p_tasks group by (n - 1) / p_tasks
  ), task as (
    select id, max(attempt) attempt, bool_or(attempt = -1) whole from entry where n <= p_tasks group by id
  )
  select array_agg(id order by id), array_agg(attempt order by id), array_agg(whole order by id), (select count(*) from gone), (select count(*) from head), (select max(n) from entry)
  into ids, attempts, wholes, o_rows, heads, entries from task;
  o_more := o_rows > 0 and (heads > o_rows or heads = p_rows or entries > p_tasks);
  -- Not min(): a plan that was made while the table was empty may walk the whole index for it.
  select least((select t.due from timer t order by t.due limit 1), (select a.due from rule_alarm a order by a.due limit 1)) into o_next;
  if ids is null then return; end if;

  with live as (
    select h.id, x.attempt = h.attempt as current, x.whole, h.attempt, h.execution, h.status, h.lease_until, h.requeued, h.released, h.retry_policy, h.worker, h.claim_time, h.run_time,
      h.start_timeout_ms, h.inactivity_timeout_ms, h.execution_timeout_ms, h.total_timeout_ms, h.total_deadline, h.run_time + h.execution_timeout_ms * interval '1 millisecond' as overrun_at,
      case h.status when 4 then least(h.lease_until, h.activity_time + h.inactivity_timeout_ms * interval '1 millisecond', h.run_time + h.execution_timeout_ms * interval '1 millisecond')
        when 3 then h.lease_until when 2 then h.start_time end as due
    from unnest(ids, attempts, wholes) x(id, attempt, whole) join task_state h on h.id = any (array[x.id])
    where h.status < 6 and (x.attempt = h.attempt or (x.whole and h.total_deadline is not null))
    order by h.status in (1, 5), h.id for update of h
  ), put_off as (
    insert into timer (due, task_ids, attempts)
    select date_bin('250 milliseconds', due, 'epoch') + interval '250 milliseconds', array_agg(id), array_agg(attempt)
    from live where current and due > now_time group by 1
    union all
    select total_deadline, array_agg(id), array_agg(-1) from live where whole and total_deadline > now_time group by 1
  ), cause as materialized (
    select live.*, (case when total_deadline <= now_time then 6 when status = 2 then null when lease_until <= now_time then case when status = 3 then 3 else 8 end
      when overrun_at <= now_time then 5 else 4 end)::smallint as cause
    from live where (current and due <= now_time) or total_deadline <= now_time
  ), verdict as materialized (
    select c.*, c.cause in (3, 8) and c.requeued < 3 as requeue,
      c.cause is not null and not (c.cause in (3, 8) and c.requeued < 3) and c.retry_policy is not null
        and mp_may_retry(c.retry_policy, c.attempt - c.released - c.requeued, c.cause, null, false) as again from cause c
  ), u as (
    update task_state h set
      status = case when v.cause is null then case when v.execution = 3 then 6 else 2 end when v.requeue or v.again then 2 else 7 end,
      prior_status = case when v.cause is not null or v.execution = 3 then h.status else 0 end,
      requeued = h.requeued + case when v.requeue then 1 else 0 end,
      start_time = case when v.again then now_time + mp_retry_delay(v.retry_policy, v.attempt - v.released - v.requeued, null) * interval '1 millisecond' else h.start_time end,
      lease_until = null,
      end_time = case when (v.cause is null and v.execution = 3) or (v.cause is not null and not v.requeue and not v.again) then now_time end
    from verdict v where h.id = any (array[v.id])
    returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.dependents, h.start_time, h.edits, h.lane, h.flow, v.worker, v.claim_time, v.run_time, v.cause, v.start_timeout_ms, v.inactivity_timeout_ms, v.execution_timeout_ms, v.total_timeout_ms
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, -priority, coalesce(flow, 0), id, lane from u where status = 2 and cause is not null and coalesce(start_time <= now_time, true)
    on conflict do nothing
  ), delayed as (
    insert into timer (due, task_ids, attempts) select start_time, array_agg(id), array_agg(attempt) from u where status = 2 and start_time > now_time group by start_time
  ), kept as (
    insert into task_attempt (task_id, attempt, status, cause, worker, claim_time, start_time, end_time, message)
    select id, case when prior_status in (3, 4) then attempt else -edits end, 7, cause, case when prior_status in (3, 4) then worker end,
      case when prior_status in (3, 4) then claim_time end, case when prior_status in (3, 4) then run_time end, now_time,
      case cause when 3 then format('the start webhook was not answered within the start_timeout of %s', mp_duration(start_timeout_ms)) when 8 then 'the lease ran out'
        when 5 then format('it ran longer than the execution_timeout of %s', mp_duration(execution_timeout_ms))
        when 6 then format('it had not ended within the total_timeout of %s', mp_duration(total_timeout_ms))
        else format('it gave no sign of life for the inactivity_timeout of %s', mp_duration(inactivity_timeout_ms)) end
    from u where cause is not null
    on conflict (task_id, attempt) do update set status = 7, cause = excluded.cause, worker = excluded.worker, claim_time = excluded.claim_time, start_time = excluded.start_time, end_time = excluded.end_time, message = excluded.message
  )
  select array_agg((case when cause is null then 2 when prior_status in (3, 4) then 3 else 7 end)::smallint order by id) filter (where prior_status <> 0) types,
    array_agg(batch_id order by id) filter (where prior_status <> 0) batch_ids, array_agg(id order by id) filter (where prior_status <> 0) ids,
    array_agg(prior_status order by id) filter (where prior_status <> 0) from_statuses, array_agg(status order by id) filter (where prior_status <> 0) to_statuses,
    array_agg(attempt order by id) filter (where prior_status <> 0) attempts, array_agg(queue order by id) filter (where prior_status <> 0) queues,
    array_agg(case when prior_status in (3, 4) then coalesce(worker, 0) when cause is not null then edits else 0 end order by id) filter (where prior_status <> 0) workers,
    coalesce(array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= now_time, true)), '{}') ready,
    array_agg(id order by id) filter (where status > 5 and dependents > 0) ended, array_agg(status order by id) filter (where status > 5 and dependents > 0) ended_statuses,
    array_agg(id) filter (where prior_status = 2 and status = 7) over_in_queue, array_agg(id order by id) filter (where status = 2 and cause is null) let_start
  into moved from u;
  o_ready := moved.ready;
  if moved.let_start is not null then
    -- A new statement, as the tasks are locked: what another timer has let start may have been blocked or parked since then.
    insert into ready (queue, rank, flow, id, lane)
    select h.queue, -h.priority, coalesce(h.flow, 0), h.id, h.lane from unnest(moved.let_start) x(id) join task_state h on h.id = any (array[x.id])
    where not exists (select from blocked b where b.lane = h.lane and b.rank = -h.priority and b.id = h.id offset 0)
      and not exists (select from parked k where k.batch_id = h.batch_id and k.id = h.id offset 0) on conflict do nothing;
  end if;
  if moved.ids is null then
    if moved.let_start is not null then
      perform mp_apply_rules(null, now_time, moved.let_start);
    end if;
    return;
  end if;
  changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
  if moved.ended is not null then
    settled := mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes);
    changes := settled.p_changes;
    o_ready := o_ready || settled.o_ready;
  end if;
  -- When all tasks are locked: it may wait for a claim, which waits for nobody.
  perform mp_dequeue(moved.over_in_queue);
  appended := mp_append_event(changes, '{}', null, coalesce(moved.let_start, '{}'));
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_follow_up(p_id bigint, OUT o_ready integer[], OUT o_follow_ups bigint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  entry follow_up;
  failed record;
  done record;
  appended record;
begin
  o_ready := '{}';
  o_follow_ups := '{}';
  delete from follow_up where id = p_id returning * into entry;
  if entry.id is null then return; end if;
  if entry.kind = 1 then
    -- One that was retried meanwhile has not failed any more.
    select t.batch_id, coalesce(t.key, t.name) as name into failed from unnest(entry.task_ids) x(id) join task t on t.id = any (array[x.id])
      join task_state h on h.id = any (array[x.id]) where h.status = 7 and h.critical order by h.end_time, h.id limit 1;
    if failed.batch_id is null then return; end if;
    done := mp_stop(failed.batch_id, format('critical task "%s" failed', failed.name));
    appended := mp_append_event(done.o_changes, array[failed.batch_id], failed.batch_id);
  else
    done := mp_cancel_unneeded(entry.task_ids);
    appended := mp_append_event(done.o_changes);
  end if;
  o_ready := done.o_ready;
  if appended.o_wake then o_ready := o_ready || 0; end if;
  o_follow_ups := appended.o_follow_ups;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_forget_logs(p_keep_ms bigint, p_after bigint, p_below bigint, p_tasks integer, p_lines integer, OUT o_after bigint, OUT o_forgotten integer)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  cutoff timestamptz := clock_timestamp() - p_keep_ms * interval '1 millisecond';
  looked integer;
  last bigint;
  old bigint[];
begin
  o_forgotten := 0;
  if not pg_try_advisory_xact_lock(7710, 7) then return; end if;
  with log as (
    select task_id, append_time, lines from task_log where task_id > p_after and task_id < p_below order by task_id limit p_tasks
  ), over as (
    select l.task_id, sum(l.lines) over (order by l.task_id) - l.lines as lines_before
    from log l join task_state h on h.id = any (array[l.task_id]) where l.append_time < cutoff and h.status > 5 and h.end_time < cutoff
  )
  select (select count(*) from log), (select max(task_id) from log), array_agg(task_id order by task_id) filter (where lines_before < p_lines),
    min(task_id) filter (where lines_before >= p_lines) - 1
  into looked, last, old, o_after from over;
  if o_after is null and looked = p_tasks then
    o_after := last;
  end if;
  if old is null then return; end if;
  -- Looks again at each row: one that has been appended to meanwhile stays.
  with forgotten as (
    delete from task_log where task_id = any (old) and append_time < cutoff returning task_id
  ), parts as (
    delete from log_part p using forgotten f where p.task_id = any (array[f.task_id])
  )
  select count(*) into o_forgotten from forgotten;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_handed_over(p_ids bigint[], p_attempts integer[])
 RETURNS text
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION public.mp_have_room(p_lanes bigint[], p_counts bigint[])
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if exists (select from unnest(p_lanes) x(lane) join lane l on l.id = any (array[x.lane]) where l.has_capacity or 3 = any (l.types)) then return false; end if;
  if not exists (select from blocked) then return true; end if;
  return not exists (select from unnest(p_lanes) x(lane) where exists (select from blocked b where b.lane = x.lane offset 0))
    and not exists (
      select from (
        select k.key, min(k.bound) as bound, sum(w.n) as n from unnest(p_lanes, p_counts) w(lane, n)
          join lane l on l.id = any (array[w.lane]) cross join lateral unnest(l.keys, l.bounds) k(key, bound) group by k.key
      ) s join rule_usage u on u.key_id = any (array[s.key]) where u.in_use + 2 * s.n > s.bound);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_hold_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, p_hold boolean, OUT o_batch jsonb, OUT o_ready integer[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  was smallint;
  lanes bigint[];
begin
  o_ready := '{}';
  select * into o_batch, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_batch is not null then return; end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  -- First the gate of transactions that hand over what they make ready: these may wait for others. Then that of claims, which wait for nobody.
  perform pg_advisory_xact_lock(7710, 3);
  perform pg_advisory_xact_lock(7710, 1);
  if not p_hold then
    -- Before the batch's row, as who cancels or edits a task takes them.
    with freed as (
      delete from parked where batch_id = p_batch returning queue, rank, flow, id, lane
    ), queued as (
      insert into ready (queue, rank, flow, id) select queue, rank, flow, id from freed where lane is null on conflict do nothing
    ), kept as (
      -- From there as many are offered as there is room for.
      insert into blocked (lane, rank, id, batch_id, block_time) select lane, rank, id, p_batch, clock_timestamp() from freed where lane is not null on conflict do nothing
    )
    select coalesce(array_agg(distinct queue), '{}'), array_agg(distinct lane) filter (where lane is not null) into o_ready, lanes from freed;
  end if;
  select status into was from batch_state where batch_id = p_batch for update;
  if was > 2 then
    raise exception using errcode = 'MP004', message = 'the batch has ended', detail = was::text;
  end if;
  if (was = 1) = p_hold then
    if p_hold then
      insert into paused_batch (batch_id) values (p_batch);
    else
      delete from paused_batch where batch_id = p_batch;
    end if;
    update batch_state set status = 3 - was, prior_status = status where batch_id = p_batch;
  end if;
  if lanes is not null then
    perform from rule_usage u where u.key_id = any (array(
      select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key))) order by u.key_id for update;
    perform mp_offer(lanes, '{}', clock_timestamp());
  end if;
  -- The number of the event is drawn when no lock is left to take.
  if (was = 1) = p_hold then
    perform mp_append_event(row(array[5::smallint], array[p_batch], array[0::bigint], array[was], array[(3 - was)::smallint],
      array[0], array[0], array[0], null, null)::mp_changes);
  end if;
  o_batch := mp_batch_json(p_batch);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, o_batch);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_hold_runs(p_queues integer[], p_max integer, p_rank smallint, p_id bigint, OUT o_places tid[], OUT o_queues integer[], OUT o_ranks smallint[], OUT o_ids bigint[], OUT o_tasks integer[], OUT o_befores integer[], OUT o_total integer)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  look integer := 8;
  head record;
  each record;
  place tid;
  n integer;
begin
  loop
    select array_agg(r.queue order by r.rank, r.id) as queues, array_agg(r.rank order by r.rank, r.id) as ranks, array_agg(r.id order by r.rank, r.id) as ids, max(r.n) as deepest into head from (
      select r.*, sum(r.tasks) over (order by r.rank, r.id) - r.tasks as before, row_number() over (partition by r.queue order by r.rank, r.id) as n
      from unnest(p_queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.id, r.tasks from ready_run r where r.queue = q.queue and (r.rank, r.id) > (p_rank, p_id) order by r.rank, r.id limit look) r
    ) r where r.before < p_max;
    -- Of a queue of which all that was looked at is wanted, more may be.
    exit when look >= p_max or head.deepest is null or head.deepest < look;
    look := p_max;
  end loop;
  if head.ids is null then return; end if;
  select array_agg(r.place order by x.n), array_agg(x.queue order by x.n), array_agg(x.rank order by x.n), array_agg(x.id order by x.n), array_agg(r.tasks order by x.n)
  into o_places, o_queues, o_ranks, o_ids, o_tasks
  from unnest(head.queues, head.ranks, head.ids) with ordinality x(queue, rank, id, n) cross join lateral (
    select q.ctid as place, q.tasks from ready_run q where q.queue = x.queue and q.rank = x.rank and q.id = x.id offset 0 for update skip locked) r;
  if cardinality(o_ids) is distinct from cardinality(head.ids) then
    -- Somebody else holds some of them: what is behind, one by one.
    o_places := '{}'; o_queues := '{}'; o_ranks := '{}'; o_ids := '{}'; o_tasks := '{}';
    o_total := 0;
    for each in
      select r.* from unnest(p_queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.id from ready_run r where r.queue = q.queue and (r.rank, r.id) > (p_rank, p_id) order by r.rank, r.id limit look + 500) r order by r.rank, r.id
    loop
      exit when o_total >= p_max;
      select q.ctid, q.tasks into place, n from ready_run q where q.queue = each.queue and q.rank = each.rank and q.id = each.id for update skip locked;
      continue when not found;
      o_places := o_places || place;
      o_queues := o_queues || each.queue;
      o_ranks := o_ranks || each.rank;
      o_ids := o_ids || each.id;
      o_tasks := o_tasks || n;
      o_total := o_total + n;
    end loop;
    o_ids := nullif(o_ids, '{}');
  end if;
  select array_agg(x.before order by x.n), sum(x.tasks) into o_befores, o_total
  from (select t.tasks, t.n, (sum(t.tasks) over (order by t.n))::integer - t.tasks as before from unnest(o_tasks) with ordinality t(tasks, n)) x;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_index_for_dedupe(p_ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  insert into dedupe_key (shape, hash, task_id)
  select d.shape, d.hash, t.id from unnest(p_ids) x(id) join task t on t.id = any (array[x.id]) cross join lateral mp_dedupe_hashes(t.namespace_id, t.queue, t.metadata) d
  on conflict do nothing;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_insert_tasks(p_namespace integer, p_time timestamp with time zone, p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[], p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamp with time zone[], p_start_timeouts integer[], p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[], p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[], p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[], p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[], p_lanes bigint[], p_flows integer[], OUT o_ready integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
begin
  o_ready := mp_write_tasks(
    p_namespace, p_time, p_ids, p_batch_ids, p_open_batch_ids, p_queues, p_executions, p_statuses, p_priorities, p_keys, p_names, p_metadatas,
    p_inputs, p_specs, p_expected, p_start_times, p_start_timeouts, p_inactivity_timeouts, p_unmet_policies, p_deps_left, p_dependents, p_cascades,
    p_parents, p_parent_conditions, p_children, p_child_conditions, p_policies, p_execution_timeouts, p_total_timeouts, p_notifies, p_critical,
    p_only_for_dependents, p_serves, p_workers, p_leases, p_lanes, p_flows, mp_tight_of_pending(mp_fill(p_statuses, cardinality(p_ids)), p_lanes));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_keep_holds(p_ids bigint[], p_lanes bigint[], p_lanes_count integer, p_time timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  few constant integer := 8;
begin
  if p_lanes_count <= few then
    insert into hold (lane, hold_time, task_ids, due)
    select x.lane, p_time, array_agg(x.id), p_time + interval '5 seconds' from unnest(p_ids, p_lanes) x(id, lane) where x.lane is not null group by x.lane;
  elsif array_position(p_lanes, null) is null then
    insert into hold (lane, hold_time, task_ids, lanes, due) values (0, p_time, p_ids, p_lanes, p_time + interval '2 seconds');
  else
    insert into hold (lane, hold_time, task_ids, lanes, due)
    select 0, p_time, array_agg(x.id), array_agg(x.lane), p_time + interval '2 seconds' from unnest(p_ids, p_lanes) x(id, lane) where x.lane is not null;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_keep_leases(p_ids bigint[], p_attempts integer[], p_workers integer[], p_lease_ms integer)
 RETURNS TABLE(o_task_id bigint, o_attempt integer, o_lease_until timestamp with time zone)
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
begin
  return query update task_state h set lease_until = greatest(h.lease_until, now_time + p_lease_ms * interval '1 millisecond'), activity_time = now_time, prior_status = 0
  from unnest(p_ids, p_attempts, p_workers) x(id, attempt, worker)
  where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt and h.worker = x.worker
  returning h.id, h.attempt, h.lease_until;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_keep_request(p_namespace integer, p_request_id text, p_hash bytea, p_result jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  if p_request_id is null then return; end if;
  insert into request (namespace_id, request_id, create_time, body_hash, result) values (p_namespace, p_request_id, now(), p_hash, p_result);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_kept_create(p_result jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
  select jsonb_build_object('answer', p_result -> 'answer', 'moved', null, 'moved_to', null, 'batch', p_result -> 'new_batch' || jsonb_build_object(
    'name', b.name, 'metadata', b.metadata, 'create_time', b.create_time, 'stop_reason', null, 'end_time', null, 'success_count', '0', 'failure_count', '0',
    'claimed', 0, 'paused', 0, 'success', 0, 'failure', 0, 'canceled', 0, 'skipped', 0))
  from batch b where b.id = (p_result -> 'new_batch' ->> 'batch_id')::bigint
$function$;

CREATE OR REPLACE FUNCTION public.mp_leave_runs(p_ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  -- As mp_queue_tasks makes them.
  run_max constant integer := 100;
  ids bigint[] := p_ids;
  -- The tasks that stand in rows, and their rows.
  found_in record;
begin
  while ids <> '{}' and exists (select from ready_run) loop
    select array_agg(h.id) as ids, array_agg(r.queue) as queues, array_agg(r.rank) as ranks, array_agg(r.id) as firsts, array_agg(r.tasks) as tasks into found_in
    from unnest(ids) x(id) join task_state h on h.id = any (array[x.id]) cross join lateral (
      select q.queue, q.rank, q.id, q.tasks from ready_run q where q.queue = h.queue and q.rank = -h.priority and q.id > h.id - run_max and q.id <= h.id order by q.id desc limit 1) r
    where h.id < r.id + r.tasks;
    exit when found_in.ids is null;
    perform mp_tell_queues(found_in.queues);
    with held as materialized (
      -- As they were found: others may have taken tasks out of a row meanwhile, of which the first is still there.
      select r.place from (
        select distinct x.queue, x.rank, x.first, x.tasks from unnest(found_in.queues, found_in.ranks, found_in.firsts, found_in.tasks) x(queue, rank, first, tasks) order by x.queue, x.rank, x.first
      ) x cross join lateral (select q.ctid as place from ready_run q where q.queue = x.queue and q.rank = x.rank and q.id = x.first and q.tasks = x.tasks offset 0 for update) r
    ), gone as (
      delete from ready_run where ctid = any (array(select place from held)) returning queue, rank, id
    ), leaving as materialized (
      -- "is true" has it hashed. A row that is gone meanwhile has been taken by a claim.
      select x.*, ((x.queue, x.rank, x.first) in (select g.queue, g.rank, g.id from gone g)) is true as has_left
      from unnest(found_in.ids, found_in.queues, found_in.ranks, found_in.firsts, found_in.tasks) x(id, queue, rank, first, tasks)
    ), kept as (
      insert into ready_run (queue, rank, id, tasks)
      select s.queue, s.rank, s.id, s.tasks from (
        select l.queue, l.rank, coalesce(lag(l.id) over w + 1, l.first) as id, (l.id - coalesce(lag(l.id) over w + 1, l.first))::integer as tasks
        from leaving l where l.has_left window w as (partition by l.queue, l.rank, l.first order by l.id)
        union all
        select l.queue, l.rank, max(l.id) + 1, (l.first + l.tasks - 1 - max(l.id))::integer from leaving l where l.has_left group by l.queue, l.rank, l.first, l.tasks
      ) s where s.tasks > 0
    )
    -- The claim may have left some of them in another row. Only these are looked for again: what is gone stays in the index for a while, and each look would pass it.
    select coalesce(array_agg(l.id), '{}') into ids from leaving l where not l.has_left;
  end loop;
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
        offset 0
      ) e(child, condition) cross join lateral (select d.execution, d.skip from task_state d where d.id = any (array[e.child]) and d.status in (1, 5) offset 0) h
        cross join lateral (select case when x.status = 6 then e.condition = 3 else e.condition <> 2 end or h.skip) s(unmet)
      union
      select c, true, true from unnest(p_children) c
      union
      select e.child, s.unmet, s.unmet or h.execution = 3 from down d cross join lateral (
        select c.child, coalesce(c.condition, 1::smallint) from task t, unnest(t.children, t.child_conditions) c(child, condition) where t.id = any (array[d.id])
        union all
        select l.child, l.condition from edge_late l where l.parent = any (array[d.id])
        offset 0
      ) e(child, condition) cross join lateral (select c.execution, c.skip from task_state c where c.id = any (array[e.child]) and c.status in (1, 5) offset 0) h
        cross join lateral (select case when d.unmet then e.condition <> 2 else e.condition = 3 end or h.skip) s(unmet)
      where d.further
    )
    select id from down))
  order by h.id for update;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_lock_tasks(p_ids bigint[], p_share boolean)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  locked bigint[];
begin
  loop
    select coalesce(array_agg(id), '{}') into locked from (
      select h.id from task_state h where h.id = any (p_ids) and h.status < 6 order by h.status in (1, 5), h.id for update
    ) living;
    if p_share then
      perform from task_state h where h.id = any (p_ids) and h.status > 5 order by h.id for share;
    else
      perform from task_state h where h.id = any (p_ids) and h.status > 5 order by h.id for update;
    end if;
    exit when not exists (select h.id from task_state h where h.id = any (p_ids) and h.status < 6 except select unnest(locked));
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_make_room(p_ids bigint[], p_time timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  with gone as (
    delete from log_part p using task_log l where l.task_id = any (p_ids) and p.task_id = any (array[l.task_id]) and p.attempt < l.attempt
    returning p.task_id, p.attempt, p.first_line, p.lines, p.bytes, p.dropped
  ), told as (
    insert into log_part (task_id, append_time, dropped, attempt, first_line, lines, bytes, levels, messages)
    select task_id, p_time, sum(lines + coalesce(dropped, 0)), attempt, max(first_line + lines), 0, 0, '{}', '{}' from gone group by task_id, attempt
  )
  update task_log l set lines = l.lines - g.lines, bytes = l.bytes - g.bytes
  from (select task_id, sum(lines)::integer as lines, sum(bytes) as bytes from gone group by task_id) g where l.task_id = any (array[g.task_id]);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_may_retry(p_policy integer, p_attempt integer, p_cause smallint, p_code text, p_non_retryable boolean)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select p_cause not in (6, 7) and not coalesce(p_non_retryable, false) and exists (
    select from retry_policy p where p.id = p_policy and p_attempt < p.max_attempts
      and (cardinality(p.causes) = 0 or p_cause = any (p.causes)) and (p_code is null or p_code <> all (p.non_retryable_codes)))
$function$;

CREATE OR REPLACE FUNCTION public.mp_next_flows(p_queues integer[], p_rank smallint, p_start integer, p_max integer)
 RETURNS TABLE(flow integer, n integer)
 LANGUAGE sql
 STABLE
AS $function$
  with recursive up as (
    select x.flow, 1 as n from (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow >= p_start order by r.flow limit 1) r
    ) x where x.flow is not null
    union all
    select x.flow, up.n + 1 from up cross join lateral (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow > up.flow order by r.flow limit 1) r
    ) x where x.flow is not null and up.n < p_max
  ), above as materialized (
    select count(*)::integer as n from up
  ), down as (
    select x.flow, above.n + 1 as n from above cross join lateral (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow < p_start order by r.flow limit 1) r
    ) x where x.flow is not null and above.n < p_max
    union all
    select x.flow, down.n + 1 from down cross join lateral (
      select min(r.flow) as flow from unnest(p_queues) q(queue) cross join lateral (
        select r.flow from ready r where r.queue = q.queue and r.rank = p_rank and r.flow > down.flow and r.flow < p_start order by r.flow limit 1) r
    ) x where x.flow is not null and down.n < p_max
  )
  select up.flow, up.n from up union all select down.flow, down.n from down
$function$;

CREATE OR REPLACE FUNCTION public.mp_offer(p_lanes bigint[], p_new bigint[], p_time timestamp with time zone, p_keys bigint[] DEFAULT '{}'::bigint[], p_full bigint[] DEFAULT '{}'::bigint[], p_quietly boolean DEFAULT false, OUT o_ids bigint[], OUT o_queues integer[], OUT o_lanes bigint[], OUT o_whole boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  chosen record;
  -- Of each lane, how many at most; null: as many as there is room for.
  mosts integer[];
  offered_max constant integer := 1000;
begin
  chosen := mp_choose_lanes(p_keys, p_time);
  select coalesce(array_agg(x.id), '{}'), array_agg(x.most) into o_lanes, mosts from (
    select y.id, case when count(y.most) = count(*) then max(y.most) end as most from (
      select p.id, null::integer as most from unnest(p_lanes) p(id) union all select c.id, c.most from unnest(chosen.o_lanes, chosen.o_most) c(id, most)) y group by y.id) x;
  if cardinality(o_lanes) = 0 then
    perform mp_set_alarms(p_full || chosen.o_waiting, p_time);
    return;
  end if;
  perform from lane where id = any (o_lanes) order by id for no key update;
  if exists (select from paused_batch) then
    perform mp_set_aside(o_lanes);
  end if;
  -- A new statement: it sees what was committed before the lanes were locked.
  with room as materialized (
    select l.id, l.queue, l.flow, l.has_capacity, x.most,
      -- Of keys of capacity, the sizes of tasks decide.
      greatest(least((select min(k.bound - mp_taken(k.key, k.window_ms, u.in_use, p_time)) from unnest(l.keys, l.types, l.bounds, l.windows) k(key, type, bound, window_ms)
        join rule_usage u on u.key_id = any (array[k.key]) where k.type <> 2), offered_max), 0) as places,
      (select min(k.bound - u.in_use) from unnest(l.keys, l.types, l.bounds) k(key, type, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.type = 2) as work
    from unnest(o_lanes, mosts) x(id, most) join lane l on l.id = any (array[x.id])
  ), fresh as materialized (
    -- What of p_new stands in ready.
    select h.lane, -h.priority as rank, h.id, r.place, case when (select l.has_capacity from lane l where l.id = any (array[h.lane])) then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t where t.id = any (array[h.id])) end as work_left
    from unnest(p_new) x(id) join task_state h on h.id = any (array[x.id]) cross join lateral (
      select q.ctid as place from ready q where q.queue = h.queue and q.rank = -h.priority and q.flow = coalesce(h.flow, 0) and q.id = h.id offset 0) r
    where h.lane is not null
  ), left_over as materialized (
    -- What is left of the room when what others have in ready has started. All of that is known where p_new has to be compared with it.
    select room.id, room.queue, room.flow, room.has_capacity, room.places as room_places, room.work as room_work, least(room.places - o.n, room.most) as places, room.work - o.work as work,
      o.ranks, o.ids, o.sizes
    from room cross join lateral (
      select count(*) as n, coalesce(sum(r.work_left), 0) as work, case when p_new <> '{}' then array_agg(r.rank) end as ranks, case when p_new <> '{}' then array_agg(r.id) end as ids,
        case when p_new <> '{}' then array_agg(r.work_left) end as sizes
      from (
        select r.rank, r.id, case when room.has_capacity then (
            select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[r.id])) end as work_left
          from ready r where r.lane = room.id and r.id not in (select f.id from fresh f) order by r.rank, r.id limit room.places
      ) r
    ) o
  ), candidate as materialized (
    select l.id as lane, l.queue, l.flow, b.place, b.rank, b.id, b.block_time, case when l.has_capacity then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[b.id])) end as work_left
    from left_over l cross join lateral (
      select q.ctid as place, q.rank, q.id, q.block_time from blocked q where q.lane = l.id order by q.rank, q.id limit l.places for update skip locked
    ) b where l.places > 0 and coalesce(l.work > 0, true)
  ), ranked as materialized (
    -- Joined with the lanes, two lists of thousands would be compared all with all: so each lane stands before its tasks. n, size_before: among candidates and fresh ones; n_all, size_all_before: with what
    -- others have in ready.
    select r.*, max(r.places) over lane as lane_places, max(r.work) over lane as lane_work, max(r.room_places) over lane as lane_room, max(r.room_work) over lane as lane_room_work,
      count(*) filter (where r.kind in (1, 2)) over so_far as n, coalesce(sum(r.size) filter (where r.kind in (1, 2)) over (so_far rows between unbounded preceding and 1 preceding), 0) as size_before,
      count(*) filter (where r.kind > 0) over so_far as n_all, coalesce(sum(r.size) over (so_far rows between unbounded preceding and 1 preceding), 0) as size_all_before
    from (
      select 0 as kind, l.id as lane, null::integer as queue, null::integer as flow, null::smallint as rank, null::bigint as id, null::tid as place, null::bigint as size, null::timestamptz as block_time,
        greatest(l.places, 0) as places, l.work, l.room_places, l.room_work from left_over l
      union all
      select 1, c.lane, c.queue, c.flow, c.rank, c.id, c.place, c.work_left, c.block_time, null, null, null, null from candidate c
      union all
      select 2, f.lane, null, null, f.rank::smallint, f.id, f.place, f.work_left, null, null, null, null, null from fresh f
      union all
      select 3, l.id, null, null, s.rank, s.id, null, s.size, null, null, null, null, null from left_over l cross join lateral unnest(l.ranks, l.ids, l.sizes) s(rank, id, size)
    ) r
    window lane as (partition by r.lane), so_far as (partition by r.lane order by (r.kind = 0) desc, r.rank, r.id)
  ), chosen_from as materialized (
    select r.*, r.n <= r.lane_places and (r.lane_work is null or r.size_before < r.lane_work) as fits from ranked r where r.kind in (1, 2)
  ), gone as (
    -- What is more urgent than what others have in ready stays beside it: claims decide.
    delete from ready where ctid = any (array(
      select r.place from chosen_from r where r.kind = 2 and not r.fits and not (r.n_all <= r.lane_room and (r.lane_room_work is null or r.size_all_before < r.lane_room_work))))
    returning lane, rank, id
  ), kept as (
    insert into blocked (lane, rank, id, batch_id, block_time)
    select h.lane, gone.rank, gone.id, h.batch_id, p_time from gone join task_state h on h.id = any (array[gone.id]) on conflict do nothing
  ), picked as materialized (
    select r.queue, r.flow, r.rank, r.id, r.lane, r.place, r.block_time from chosen_from r where r.kind = 1 and r.fits
  ), freed as (
    delete from blocked where ctid = any (array(select place from picked))
  ), told as (
    insert into blocked_wait (waits_ms)
    select array_agg(least(greatest(extract(epoch from p_time - x.block_time) * 1000, 0), 2147483647)::integer)
    from (select block_time, (row_number() over () - 1) / 1000 as part from picked) x group by x.part
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, rank, flow, id, lane from picked on conflict do nothing
  )
  select (select array_agg(id) from picked), (select array_agg(queue) from picked), chosen.o_whole and not bool_or(room.places = offered_max)
  into o_ids, o_queues, o_whole from room;
  perform mp_set_alarms(o_lanes || chosen.o_waiting || p_full, p_time);
  if not p_quietly then
    perform mp_tell_queues(o_queues);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_open_runs(p_queues integer[], p_max integer, p_rank integer DEFAULT '-32768'::integer)
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
declare
  the_queue integer;
  run record;
  place tid;
  size integer;
  -- How many tasks come before the row, and up to where they have been counted.
  ahead integer;
  last_rank smallint;
  last_id bigint;
  opened integer[] := '{}';
begin
  for the_queue in select q from unnest(p_queues) q where exists (select from ready_run r where r.queue = q and r.rank >= p_rank offset 0)
  loop
    ahead := 0;
    last_rank := p_rank;
    last_id := 0;
    for run in select r.rank, r.id from ready_run r where r.queue = the_queue and r.rank >= p_rank order by r.rank, r.id
    loop
      ahead := ahead + (select count(*) from (
        select from ready r where r.queue = the_queue and (r.rank, r.flow, r.id) >= (last_rank, 0, last_id) and (r.rank, r.flow, r.id) < (run.rank, 0, run.id) limit p_max) r);
      exit when ahead >= p_max;
      last_rank := run.rank;
      last_id := run.id;
      select q.ctid, q.tasks into place, size from ready_run q where q.queue = the_queue and q.rank = run.rank and q.id = run.id for update skip locked;
      continue when not found;
      delete from ready_run where ctid = place;
      if size > p_max - ahead then
        insert into ready_run (queue, rank, id, tasks) values (the_queue, run.rank, run.id + p_max - ahead, size - (p_max - ahead));
        size := p_max - ahead;
      end if;
      insert into ready (queue, rank, flow, id) select the_queue, run.rank, 0, run.id + n from generate_series(0, size - 1) n on conflict do nothing;
      ahead := ahead + size;
      last_id := run.id + size;
      opened := opened || the_queue;
    end loop;
  end loop;
  return array(select distinct q from unnest(opened) q);
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

CREATE OR REPLACE FUNCTION public.mp_parents(p_ids bigint[])
 RETURNS TABLE(child bigint, parent bigint, condition smallint, status smallint, only_for_dependents boolean)
 LANGUAGE sql
 STABLE ROWS 100
AS $function$
  with edge as materialized (
    select t.id, e.parent, coalesce(e.condition, 1::smallint) as condition from unnest(p_ids) x(id) join task t on t.id = any (array[x.id])
      cross join lateral unnest(t.parents, t.parent_conditions) e(parent, condition)
  )
  select edge.id, p.id, edge.condition, p.status, p.only_for_dependents from edge join task_state p on p.id = any (array[edge.parent])
$function$;

CREATE OR REPLACE FUNCTION public.mp_park(p_queues integer[], p_max integer)
 RETURNS bigint[]
 LANGUAGE plpgsql
AS $function$
declare
  lanes bigint[] := '{}';
  moved_lanes bigint[];
  moved integer;
  moved_most constant integer := 10000;
  total integer := 0;
  look integer := p_max;
begin
  loop
    perform mp_open_runs(p_queues, look);
    with head as materialized (
      select r.queue, r.rank, r.flow, r.id from unnest(p_queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.flow, r.id from ready r where r.queue = q.queue order by r.rank, r.flow, r.id limit look
      ) r
    ), held as materialized (
      select h.batch_id, head.queue, head.rank, head.flow, h.id from head join task_state h on h.id = any (array[head.id])
      where h.status = 2 and exists (select from paused_batch b where b.batch_id = any (array[h.batch_id])) for update of h skip locked
    ), gone as (
      delete from ready where ctid = any (array(
        select r.place from held cross join lateral (
          select q.ctid as place from ready q where q.queue = held.queue and q.rank = held.rank and q.flow = held.flow and q.id = held.id offset 0) r)) returning queue, rank, flow, id
    ), kept as (
      insert into parked (batch_id, id, queue, rank, flow, lane) select h.batch_id, gone.id, gone.queue, gone.rank, gone.flow, h.lane
      from gone join task_state h on h.id = any (array[gone.id]) on conflict do nothing
    )
    select count(*), array_agg(distinct h.lane) filter (where h.lane is not null) into moved, moved_lanes from gone join task_state h on h.id = any (array[gone.id]);
    lanes := lanes || moved_lanes;
    total := total + moved;
    exit when moved = 0 or total >= moved_most;
    -- Rows that are gone stay in the index for a while, and are passed again and again: twice as many each time.
    look := least(look * 2, moved_most);
  end loop;
  return lanes;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_pause_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], OUT o_taken bigint[], OUT o_refused bigint[], OUT o_refused_statuses smallint[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  earlier jsonb;
  moved record;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    return;
  end if;
  select coalesce(array_agg(id), '{}') into o_taken from (
    select h.id from task_state h where h.id = any (p_ids) and h.status in (1, 2, 5) order by h.status in (1, 5), h.id for update
  ) locked;
  perform mp_dequeue(array(select h.id from task_state h where h.id = any (o_taken) and h.status = 2));
  with u as (
    update task_state h set status = 5, prior_status = h.status where h.id = any (o_taken) and h.status in (1, 2)
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(5::smallint) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u;
  if moved.ids is not null then
    perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
  end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}') into o_refused, o_refused_statuses from mp_refused(p_ids, o_taken) r;
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('taken', o_taken::text[], 'refused', o_refused::text[], 'statuses', o_refused_statuses));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_queue_tasks(p_ids bigint[], p_queues integer[], p_ranks smallint[], p_alone boolean[], p_flows integer[], p_lanes bigint[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
declare
  size constant integer := cardinality(p_ids);
  run_max constant integer := 100;
  queues integer[];
  span record;
begin
  if size = 1 then
    insert into ready (queue, rank, flow, id, lane) values (p_queues[1], p_ranks[1], coalesce(p_flows[1], 0), p_ids[1], p_lanes[1]) on conflict do nothing;
    return p_queues[1:1];
  end if;
  if p_alone is null and cardinality(p_queues) = 1 and cardinality(p_ranks) = 1 and not exists (select from fair_queue f where f.queue = p_queues[1]) then
    select min(x.id) as first, max(x.id) as last into span from unnest(p_ids) x(id);
    if span.last - span.first = size - 1 and not exists (select from ready_run r where r.queue = p_queues[1] and r.rank = p_ranks[1] and r.id between span.first and span.last) then
      insert into ready_run (queue, rank, id, tasks)
      select p_queues[1], p_ranks[1], span.first + n, least(run_max, size - n) from generate_series(0, size - 1, run_max) n;
      return p_queues;
    end if;
  end if;
  queues := p_queues;
  p_queues := mp_fill(p_queues, size);
  p_ranks := mp_fill(p_ranks, size);
  with run as materialized (
    select x.queue, x.rank, min(x.id) as id, count(*)::integer as tasks, exists (select from fair_queue f where f.queue = x.queue) as is_fair from (
      select t.queue, t.rank, t.id, row_number() over (partition by t.queue, t.rank order by t.id) - 1 as n
      from (select unnest(p_ids) as id, unnest(p_queues) as queue, unnest(p_ranks) as rank, unnest(p_alone) as alone) t where t.alone is not true
    ) x group by x.queue, x.rank, x.id - x.n, x.n / run_max
  ), kept as (
    insert into ready_run (queue, rank, id, tasks) select queue, rank, id, tasks from run where tasks > 1 and not is_fair on conflict do nothing returning queue, rank, id
  )
  insert into ready (queue, rank, flow, id, lane)
  select r.queue, r.rank, 0, r.id + n, null from run r cross join lateral generate_series(0, r.tasks - 1) n where ((r.queue, r.rank, r.id) in (select k.queue, k.rank, k.id from kept k)) is not true
  union all
  select t.queue, t.rank, coalesce(t.flow, 0), t.id, t.lane
  from (select unnest(p_ids) as id, unnest(p_queues) as queue, unnest(p_ranks) as rank, unnest(p_alone) as alone, unnest(p_flows) as flow, unnest(p_lanes) as lane) t where t.alone
  on conflict do nothing;
  return array(select distinct q from unnest(queues) q);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_refused(p_ids bigint[], p_taken bigint[])
 RETURNS TABLE(id bigint, status smallint)
 LANGUAGE sql
 STABLE ROWS 10
AS $function$
  select h.id, h.status from (select unnest(p_ids) except select unnest(p_taken)) x(id) join task_state h on h.id = any (array[x.id])
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
    returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.priority, h.lane, coalesce(h.flow, 0) as flow
  ), queued as (
    insert into ready (queue, rank, flow, id, lane) select queue, -priority, flow, id, lane from u on conflict do nothing
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(2::smallint) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u;
  o_ready := array(select distinct q from unnest(moved.queues) q);
  if moved.ids is null then return; end if;
  perform mp_append_event(row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null)::mp_changes);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_report(p_ids bigint[], p_attempts integer[], p_actions smallint[], p_outputs text[], p_causes smallint[], p_messages text[], p_codes text[], p_details text[], p_progress text[], p_success_counts bigint[], p_failure_counts bigint[], p_non_retryable boolean[], p_retry_delays bigint[], p_cancel_webhooks text[], p_slots mp_slots DEFAULT NULL::mp_slots, OUT o_taken bigint[], OUT o_statuses smallint[], OUT o_attempts integer[], OUT o_ready integer[], OUT o_follow_ups bigint[], OUT o_started bigint[], OUT o_started_attempts integer[], OUT o_places integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  -- Of all, if it is one.
  same_attempt integer := case when cardinality(p_attempts) = 1 then p_attempts[1] end;
  moved record;
  settled record;
  changes mp_changes;
  moves mp_moves;
  appended record;
begin
  if p_outputs is null and p_causes is null and p_progress is null and p_success_counts is null and p_failure_counts is null and p_cancel_webhooks is null
    and 3 = all (p_actions) then
    -- Nothing but successes without outputs: most reports are such, and nothing of retry policies and attempts has to be looked at.
    -- One scan of the index for all of them, in the order of their ids, which finds the attempt of each by halving: a join would look for each by itself.
    if same_attempt is null then p_attempts := mp_fill(p_attempts, cardinality(p_ids)); end if;
    with u as (
      update task_state h set status = 6, prior_status = h.status, run_time = coalesce(h.run_time, now_time), activity_time = now_time, end_time = now_time, lease_until = null
      where h.id = any (p_ids) and h.status in (3, 4) and coalesce(same_attempt, p_attempts[width_bucket(h.id, p_ids)]) in (0, h.attempt)
      returning h.id, h.batch_id, h.prior_status, h.attempt, h.queue, h.worker, h.dependents, h.grown or h.cascades as is_special, h.held_lane, h.held_amount
    )
    select array_agg(id) as ids, array_fill(6::smallint, array[count(*)::integer]) as statuses, array_agg(attempt) as attempts,
      array[2::smallint] as types, array_agg(batch_id) as batch_ids, array_agg(id) as task_ids,
      array_agg(prior_status) as from_statuses, array[6::smallint] as to_statuses, array_agg(attempt) as event_attempts, array_agg(queue) as queues,
      array_agg(coalesce(worker, 0)) as workers, null::bigint[] as again,
      array_agg(id) filter (where dependents > 0) as ended, array_fill(6::smallint, array[(count(*) filter (where dependents > 0))::integer]) as ended_statuses,
      null::bigint[] as counted, null::bigint[] as success_counts, null::bigint[] as failure_counts, not bool_or(is_special) as plain,
      array_agg(held_lane) filter (where held_lane is not null) as held_lanes, array_agg(held_amount) filter (where held_lane is not null) as held_amounts
    into moved from u;
  else
    p_attempts := mp_fill(p_attempts, cardinality(p_ids));
    p_actions := mp_fill(p_actions, cardinality(p_ids));
    with u as (
      update task_state h set
        status = case x.action when 3 then 6 when 4 then case when h.retry_policy is not null
          and mp_may_retry(h.retry_policy, h.attempt - h.released - h.requeued, x.cause, x.code, x.non_retryable) then 2 else 7 end else 4 end,
        prior_status = case when x.action >= 3 or h.status = 3 then h.status else 0 end,
        run_time = case when x.action = 4 then h.run_time else coalesce(h.run_time, now_time) end,
        activity_time = now_time,
        end_time = case when x.action = 3 or (x.action = 4 and (h.retry_policy is null
          or not mp_may_retry(h.retry_policy, h.attempt - h.released - h.requeued, x.cause, x.code, x.non_retryable))) then now_time end,
        start_time = case when x.action = 4 and h.retry_policy is not null
            and mp_may_retry(h.retry_policy, h.attempt - h.released - h.requeued, x.cause, x.code, x.non_retryable)
          then now_time + mp_retry_delay(h.retry_policy, h.attempt - h.released - h.requeued, x.retry_delay) * interval '1 millisecond' else h.start_time end,
        lease_until = case when x.action < 3 and h.execution <> 2 then h.lease_until end,
        success_count = h.success_count + coalesce(x.success_count, 0),
        failure_count = h.failure_count + coalesce(x.failure_count, 0)
      from unnest(p_ids, p_attempts, p_actions, p_outputs, p_causes, p_messages, p_codes, p_details, p_progress, p_success_counts, p_failure_counts,
          p_non_retryable, p_retry_delays, p_cancel_webhooks)
        x(id, attempt, action, output, cause, message, code, details, progress, success_count, failure_count, non_retryable, retry_delay, cancel_webhook)
      where h.id = any (array[x.id]) and h.status in (3, 4) and (x.attempt = 0 or x.attempt = h.attempt)
      returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.worker, h.dependents, h.claim_time, h.run_time, h.start_time,
        h.inactivity_timeout_ms, h.execution_timeout_ms,
        x.output, x.cause, x.message, x.code, x.details, x.progress, coalesce(x.success_count, 0) as success_count, coalesce(x.failure_count, 0) as failure_count, x.cancel_webhook
    ), kept as (
      insert into task_attempt as a (task_id, attempt, status, cause, worker, claim_time, start_time, end_time, message, code, details, output, progress, cancel_webhook)
      select id, attempt, case status when 6 then 6 when 4 then null else 7 end, cause, worker, claim_time, run_time, case when status <> 4 then now_time end,
        message, code, details, output, progress, cancel_webhook
      from u where status in (2, 7) or output is not null or progress is not null or cancel_webhook is not null
      on conflict (task_id, attempt) do update set status = excluded.status, cause = excluded.cause, worker = excluded.worker, claim_time = excluded.claim_time, start_time = excluded.start_time,
        end_time = excluded.end_time, message = excluded.message, code = excluded.code, details = excluded.details, output = excluded.output,
        progress = coalesce(excluded.progress, a.progress), cancel_webhook = coalesce(excluded.cancel_webhook, a.cancel_webhook)
    ), watched as (
      insert into timer (due, task_ids, attempts)
      select now_time + min(least(inactivity_timeout_ms, execution_timeout_ms)) * interval '1 millisecond', array_agg(id), array_agg(attempt)
      from u where status = 4 and prior_status = 3 having count(*) > 0
    )
    select array_agg(id) as ids, array_agg(status) as statuses, array_agg(attempt) as attempts,
      array_agg((case when status in (2, 7) or output is not null then 3 else 2 end)::smallint) filter (where prior_status <> 0) as types,
      array_agg(batch_id) filter (where prior_status <> 0) as batch_ids, array_agg(id) filter (where prior_status <> 0) as task_ids,
      array_agg(prior_status) filter (where prior_status <> 0) as from_statuses, array_agg(status) filter (where prior_status <> 0) as to_statuses,
      array_agg(attempt) filter (where prior_status <> 0) as event_attempts, array_agg(queue) filter (where prior_status <> 0) as queues,
      array_agg(coalesce(worker, 0)) filter (where prior_status <> 0) as workers,
      array_agg(id) filter (where status = 2) as again,
      array_agg(id) filter (where status > 5 and dependents > 0) as ended, array_agg(status) filter (where status > 5 and dependents > 0) as ended_statuses,
      array_agg(id) filter (where success_count > 0 or failure_count > 0) as counted,
      array_agg(success_count) filter (where success_count > 0 or failure_count > 0) as success_counts,
      array_agg(failure_count) filter (where success_count > 0 or failure_count > 0) as failure_counts, false as plain,
      null::bigint[] as held_lanes, null::bigint[] as held_amounts
    into moved from u;
  end if;

  o_taken := coalesce(moved.ids, '{}');
  o_statuses := moved.statuses;
  o_attempts := moved.attempts;
  o_ready := '{}';
  o_follow_ups := '{}';
  if moved.ids is null then return; end if;
  changes := row(moved.types, moved.batch_ids, moved.task_ids, moved.from_statuses, moved.to_statuses, moved.event_attempts, moved.queues, moved.workers, null, null);
  if moved.again is not null then
    o_ready := mp_enqueue(moved.again, now_time);
  end if;
  if moved.counted is not null then
    -- Of the other kind of reports: its arrays are whole.
    select array_agg(4::smallint) || changes.types, array_agg(h.batch_id) || changes.batch_ids, array_agg(h.id) || changes.task_ids,
      array_agg(h.status) || changes.from_statuses, array_agg(h.status) || changes.to_statuses, array_agg(h.attempt) || changes.attempts,
      array_agg(h.queue) || changes.queues, array_agg(coalesce(h.worker, 0)) || changes.workers, array_agg(h.success_count), array_agg(h.failure_count)
    into changes from unnest(moved.counted) x(id) join task_state h on h.id = any (array[x.id]);
  end if;
  if moved.ended is not null then
    -- PauseBatch closes this gate: a batch is held before this, and mp_settle sees it, or after this has committed. Not waited for: who holds tasks must not.
    if (p_slots).queues is not null and not pg_try_advisory_xact_lock_shared(7710, 3) then
      p_slots := null;
    end if;
    changes.types := mp_fill(changes.types, cardinality(changes.task_ids));
    changes.to_statuses := mp_fill(changes.to_statuses, cardinality(changes.task_ids));
    settled := mp_settle(moved.ended, moved.ended_statuses, '{}', '{}', '{}', '{}', false, now_time, changes, p_slots, moved.plain);
    changes := settled.p_changes;
    o_started := settled.o_started;
    o_started_attempts := settled.o_started_attempts;
    o_places := settled.o_places;
    o_ready := o_ready || settled.o_ready;
  end if;
  if moved.counted is not null then
    -- The rows of all batches that this transaction changes, in their order, before some of them get counts.
    perform from batch_state b where b.batch_id = any (changes.batch_ids) order by b.batch_id for update;
    update batch_state b set success_count = b.success_count + d.s, failure_count = b.failure_count + d.f
    from (select h.batch_id, sum(x.s) s, sum(x.f) f from unnest(moved.counted, moved.success_counts, moved.failure_counts) x(id, s, f)
      join task_state h on h.id = any (array[x.id]) group by h.batch_id) d where b.batch_id = any (array[d.batch_id]);
  end if;
  if moved.plain then
    select coalesce(array_agg(x.lane), '{}'), coalesce(array_agg(x.holders), '{}'), coalesce(array_agg(x.amount), '{}') into moves.lanes, moves.holders, moves.amounts from (
      select x.lane, -count(*) as holders, -coalesce(sum(x.amount), 0) as amount from unnest(moved.held_lanes, moved.held_amounts) x(lane, amount) group by x.lane) x;
  end if;
  -- Some places are taken: which, would have to be told.
  if o_started <> '{}' then p_slots := null; end if;
  appended := mp_append_event(changes, '{}', null, '{}', false, moves, p_slots);
  if appended.o_started is not null then
    o_started := appended.o_started;
    o_started_attempts := appended.o_started_attempts;
    o_places := appended.o_places;
  end if;
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_resume_tasks(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], OUT o_taken bigint[], OUT o_refused bigint[], OUT o_refused_statuses smallint[], OUT o_ready integer[], OUT o_follow_ups bigint[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  earlier jsonb;
  now_time timestamptz;
  moved record;
  settled record;
  appended record;
  changes mp_changes;
begin
  o_ready := '{}';
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_taken := array(select jsonb_array_elements_text(earlier -> 'taken'))::bigint[];
    o_refused := array(select jsonb_array_elements_text(earlier -> 'refused'))::bigint[];
    o_refused_statuses := array(select jsonb_array_elements_text(earlier -> 'statuses'))::smallint[];
    return;
  end if;
  perform from task_state h where h.id = any (p_ids) and h.status = 5 order by h.id for update;
  now_time := clock_timestamp();
  with u as (
    update task_state h set prior_status = 5,
      status = case when h.deps_left > 0 then 1 when h.execution = 3 and coalesce(h.start_time <= now_time, true) then 6 else 2 end,
      end_time = case when h.deps_left = 0 and h.execution = 3 and coalesce(h.start_time <= now_time, true) then now_time end
    where h.id = any (p_ids) and h.status = 5
    returning h.id, h.batch_id, h.status, h.attempt, h.queue, h.dependents
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(5::smallint) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers, array_agg(id) filter (where status = 2) pending,
    array_agg(id) filter (where status = 6 and dependents > 0) ended into moved from u;
  o_taken := coalesce(moved.ids, '{}');
  if moved.ids is not null then
    changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
    if moved.pending is not null then
      o_ready := mp_enqueue(moved.pending, now_time);
    end if;
    if moved.ended is not null then
      settled := mp_settle(moved.ended, array_fill(6::smallint, array[cardinality(moved.ended)]), '{}', '{}', '{}', '{}', false, now_time, changes);
      changes := settled.p_changes;
      o_ready := o_ready || settled.o_ready;
    end if;
    appended := mp_append_event(changes);
    o_follow_ups := appended.o_follow_ups;
    if appended.o_wake then o_ready := o_ready || 0; end if;
  end if;
  select coalesce(array_agg(r.id), '{}'), coalesce(array_agg(r.status), '{}') into o_refused, o_refused_statuses from mp_refused(p_ids, o_taken) r;
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('taken', o_taken::text[], 'refused', o_refused::text[], 'statuses', o_refused_statuses));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_retry(p_namespace integer, p_request_id text, p_hash bytea, p_ids bigint[], p_batch bigint, p_with_dependents boolean, OUT o_taken bigint[], OUT o_count integer, OUT o_refused bigint[], OUT o_refused_statuses smallint[], OUT o_blockers bigint[], OUT o_batch jsonb, OUT o_ready integer[], OUT o_follow_ups bigint[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION public.mp_retry_delay(p_policy integer, p_attempt integer, p_requested bigint)
 RETURNS double precision
 LANGUAGE sql
AS $function$
  select case when p_requested is not null then p_requested else d.delay * (1 - p.jitter * random()) end
  from retry_policy p cross join lateral (
    select least(p.max_backoff_ms, p.initial_backoff_ms * exp(least((p_attempt - 1) * ln(p.multiplier), 50)) + p.increment_ms * (p_attempt - 1)::double precision) as delay
  ) d where p.id = p_policy
$function$;

CREATE OR REPLACE FUNCTION public.mp_retry_set(p_ids bigint[], p_batch bigint, p_with_dependents boolean)
 RETURNS bigint[]
 LANGUAGE sql
 STABLE
AS $function$
  with recursive down(id) as (
    select h.id from unnest(case when p_batch is null then p_ids else array(select t.id from task t where t.batch_id = p_batch) end) x(id)
      join task_state h on h.id = any (array[x.id]) where case when p_batch is null then h.status > 5 else h.status in (7, 8) end
    union
    select h.id from down cross join lateral (
      select c.child from task t cross join lateral unnest(t.children) c(child) where t.id = any (array[down.id])
      union all
      select l.child from edge_late l where l.parent = any (array[down.id])
    ) c cross join lateral (
      select s.id, s.batch_id, s.status, s.edits, s.attempt from task_state s where s.id = any (array[c.child]) offset 0
    ) h
    where p_with_dependents and (p_batch is null or h.batch_id = p_batch) and (h.status = 9 or (h.status = 7 and exists (
      select from task_attempt a where a.task_id = any (array[h.id]) and a.attempt in (-h.edits, h.attempt) and a.cause = 7)))
  )
  select coalesce(array_agg(id order by id), '{}') from down
$function$;

CREATE OR REPLACE FUNCTION public.mp_seal_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, OUT o_batch jsonb, OUT o_ready integer[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_status smallint;
  changes mp_changes;
  appended record;
begin
  o_ready := '{}';
  select * into o_batch, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_batch is not null then return; end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  update batch_state set open = false where batch_id = p_batch and open returning status into now_status;
  if now_status is not null then
    changes := row(array[5::smallint], array[p_batch], array[0::bigint], array[now_status], array[now_status], array[0], array[0], array[0], null, null);
    appended := mp_append_event(changes, array[p_batch]);
    if appended.o_wake then o_ready := array[0]; end if;
  end if;
  o_batch := mp_batch_json(p_batch);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, o_batch);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_set_alarms(p_lanes bigint[], p_time timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  soonest timestamptz;
begin
  with alarm as (
    insert into rule_alarm (due, key_id)
    select a.due, k.key from (
      select distinct k.key, k.window_ms, k.bound from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id])
        cross join lateral unnest(l.keys, l.windows, l.bounds) k(key, window_ms, bound)
      where k.window_ms > 0 and exists (select from blocked b where b.lane = l.id offset 0)
    ) k join rule_usage u on u.key_id = any (array[k.key]) cross join lateral (
      select min(s.start_time) + k.window_ms * interval '1 millisecond' as due from rate_start s
      where s.key_id = k.key and s.start_time > p_time - k.window_ms * interval '1 millisecond'
    ) a
    where mp_taken(k.key, k.window_ms, u.in_use, p_time) >= k.bound and a.due is not null
    order by k.key, a.due on conflict do nothing returning due
  )
  select min(due) into soonest from alarm;
  if soonest is not null then
    perform mp_tell_timers(soonest);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_set_aside(p_lanes bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  look integer := 10;
  moved integer;
  moved_most constant integer := 10000;
  total integer := 0;
begin
  if not pg_try_advisory_xact_lock_shared(7710, 1) then return; end if;
  loop
    with head as materialized (
      select b.lane, b.rank, b.id, b.batch_id from unnest(p_lanes) x(lane) cross join lateral (
        select q.lane, q.rank, q.id, q.batch_id from blocked q where q.lane = x.lane order by q.rank, q.id limit look offset 0) b
    ), held as materialized (
      select b.place, head.lane, head.rank, head.id, head.batch_id from head cross join lateral (
        select q.ctid as place from blocked q where q.lane = head.lane and q.rank = head.rank and q.id = head.id offset 0 for update skip locked) b
      where exists (select from paused_batch p where p.batch_id = head.batch_id offset 0)
    ), gone as (
      delete from blocked where ctid = any (array(select place from held)) returning lane, rank, id, batch_id
    ), kept as (
      insert into parked (batch_id, id, queue, rank, flow, lane)
      select gone.batch_id, gone.id, l.queue, gone.rank, l.flow, gone.lane from gone cross join lateral (select q.queue, q.flow from lane q where q.id = gone.lane offset 0) l on conflict do nothing
    )
    select count(*) into moved from gone;
    total := total + moved;
    exit when moved = 0 or total >= moved_most;
    look := least(look * 8, moved_most);
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_set_rules(p_batch bigint, p_ids bigint[], p_lanes bigint[], p_specs text[], OUT o_ready integer[], OUT o_let_in bigint, OUT o_held bigint)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION public.mp_settle(p_ids bigint[], p_statuses smallint[], p_parents bigint[], p_parent_statuses smallint[], p_children bigint[], p_conditions smallint[], p_late_only boolean, p_time timestamp with time zone, INOUT p_changes mp_changes, p_slots mp_slots DEFAULT NULL::mp_slots, p_plain boolean DEFAULT false, OUT o_ready integer[], OUT o_started bigint[], OUT o_started_attempts integer[], OUT o_places integer[])
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
  plain boolean := p_plain;
  places_given boolean := (p_slots).queues is not null;
  level record;
  -- Of p_plain: the children, with how many of their edges are settled, and the places that they are given.
  settled record;
  placed record;
  -- What the last levels changed: appended to p_changes now and then only, for that copies all of it.
  recent mp_changes;
begin
  o_ready := '{}';
  if not plain and (6 <> any (p_statuses) or 6 <> any (p_parent_statuses)
    or exists (select from task_state h where h.id = any (p_ids) and (h.cascades or h.grown))) then
    perform mp_lock_downstream(p_ids, p_children, p_late_only, p_statuses);
  end if;
  loop
    if plain then
      -- What most reports are: of tasks that have succeeded, every edge is met. Their children are found by one scan of the index, in the order of their ids, and of each, by halving, how many edges are
      -- settled, and its place: a join would look for each child by itself. The arrays hold no null: of an array with nulls, all elements before the one that is wanted are passed.
      select array_agg(e.child) as ids, array_agg(e.n) as counts into settled from (
        select c.child, count(*)::integer as n from task t cross join lateral unnest(t.children) c(child) where t.id = any (ids) group by c.child order by c.child
      ) e;
      places_given := places_given and not exists (select from paused_batch);
      if places_given then
        select array_agg(x.id order by x.id) as ids, array_agg(case when x.rank <= x.count then x.first + x.rank - 1 else 0 end order by x.id) as places into placed from (
          select h.id, p.first, p.count, (row_number() over (partition by p.pool order by h.priority desc, h.id))::integer as rank
          from task_state h left join unnest((p_slots).queues, (p_slots).pools, (p_slots).firsts, (p_slots).counts) p(queue, pool, first, count)
            on p.queue = h.queue and h.status = 1 and h.deps_left = settled.counts[width_bucket(h.id, settled.ids)] and h.execution = 1 and not h.skip and coalesce(h.start_time <= p_time, true) and h.lane is null
          where h.id = any (settled.ids)
        ) x;
      else
        select null::bigint[] as ids, null::integer[] as places into placed;
      end if;
      with outcome as (
        update task_state h set
          deps_left = h.deps_left - settled.counts[width_bucket(h.id, settled.ids)],
          status = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then 4 else mp_outcome(h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.unmet_policy, null, null, h.skip, h.execution, h.start_time > p_time) end,
          prior_status = case when mp_outcome(h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.unmet_policy, null, null, h.skip, h.execution, h.start_time > p_time) <> h.status then h.status else 0 end,
          end_time = case when (h.skip or h.execution = 3) and mp_outcome(h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.unmet_policy, null, null, h.skip, h.execution, h.start_time > p_time) in (6, 9) then p_time end,
          -- The clock, not p_time: later than the ends of parents in transactions that this one has waited for.
          attempt = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then h.attempt + 1 else h.attempt end,
          worker = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then (p_slots).workers[least(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), cardinality((p_slots).workers))] else h.worker end,
          held_lane = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then null else h.held_lane end,
          claim_time = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then clock_timestamp() else h.claim_time end,
          run_time = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then clock_timestamp() else h.run_time end,
          activity_time = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time) then clock_timestamp() else h.activity_time end,
          lease_until = case when places_given and mp_starts(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), h.status, h.deps_left - settled.counts[width_bucket(h.id, settled.ids)], h.skip or h.lane is not null, h.start_time > p_time)
            then clock_timestamp() + (p_slots).leases[least(nullif(placed.places[width_bucket(h.id, placed.ids)], 0), cardinality((p_slots).leases))] * interval '1 millisecond' else h.lease_until end
        where h.id = any (settled.ids) and h.status in (1, 5) and h.deps_left > 0
        returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.lane, h.flow, h.start_time, h.dependents, h.worker, h.lease_until,
          h.inactivity_timeout_ms, h.execution_timeout_ms, case when h.status = 4 then nullif(placed.places[width_bucket(h.id, placed.ids)], 0) end as place
      )
      select array_fill(2::smallint, array[count(*)::integer]) as types, array_agg(batch_id) as batch_ids, array_agg(id) as ids, array_agg(prior_status) as from_statuses,
        array_agg((case when status = 4 then 2 else status end)::smallint) as to_statuses, array_agg(case when status = 4 then attempt - 1 else attempt end) as attempts, array_agg(queue) as queues,
        array_fill(0, array[count(*)::integer]) as workers, array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) as ready,
        array_agg(id) filter (where status in (6, 9) and dependents > 0) as next_ids, array_agg(status) filter (where status in (6, 9) and dependents > 0) as next_statuses,
        array_agg(id) filter (where status = 4) as started, array_agg(batch_id) filter (where status = 4) as started_batches, array_agg(attempt) filter (where status = 4) as started_attempts,
        array_agg(queue) filter (where status = 4) as started_queues, array_agg(worker) filter (where status = 4) as started_workers, array_agg(place) filter (where status = 4) as places,
        min(least(lease_until, p_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) filter (where status = 4) as due,
        case when bool_or(status = 2 and (lane is not null or flow is not null or start_time is not null)) then
          array_agg(lane is not null or flow is not null or start_time is not null) filter (where status = 2 and coalesce(start_time <= p_time, true)) end as alone,
        array_agg(id) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queued, array_agg(queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queues_of_queued, array_agg(-priority) filter (where status = 2 and coalesce(start_time <= p_time, true)) as ranks,
        array_agg(coalesce(flow, 0)) filter (where status = 2 and coalesce(start_time <= p_time, true)) as flows, array_agg(lane) filter (where status = 2 and coalesce(start_time <= p_time, true)) as lanes,
        bool_or(status = 2 and start_time > p_time) as delays, false as fails, null::bigint[] as culprits
      into level from outcome where prior_status <> 0;
    else
      with edge as (
        select x.id as parent, x.status as parent_status, c.child, coalesce(c.condition, 1::smallint) as condition
        from unnest(ids, statuses) x(id, status) join task t on t.id = any (array[x.id])
          cross join lateral unnest(t.children, t.child_conditions) c(child, condition)
        where not late_only
        union all
        select x.id, x.status, l.child, l.condition from unnest(ids, statuses) x(id, status)
          cross join lateral (select e.child, e.condition from edge_late e where e.parent = any (array[x.id]) offset 0) l
        where not plain
        union all
        select x.parent, x.status, x.child, x.condition from unnest(parents, parent_statuses, children, conditions) x(parent, status, child, condition)
      ), settled as materialized (
        select child, count(*)::integer as n,
          min(parent) filter (where condition = 1 and parent_status in (7, 8)) as unmet_success,
          min(parent) filter (where condition = 3 and parent_status = 6) as unmet_failure,
          bool_or(condition <> 2 and parent_status = 9) as by_skip
        from edge group by child order by child
      ), placed as materialized (
        select child, n, unmet_success, unmet_failure, by_skip, null::integer as place from settled where not places_given
        union all
        select child, n, unmet_success, unmet_failure, by_skip, place from (
          select s.*, case when s.rank <= s.count and not exists (select from paused_batch) then s.first + s.rank::integer - 1 end as place from (
            select s.*, p.first, p.count, row_number() over (partition by p.pool order by h.priority desc, s.child) as rank
            from settled s join task_state h on h.id = any (array[s.child])
              left join unnest((p_slots).queues, (p_slots).pools, (p_slots).firsts, (p_slots).counts) p(queue, pool, first, count)
                on p.queue = h.queue and h.status = 1 and h.deps_left = s.n and h.execution = 1 and not h.skip and s.unmet_success is null and s.unmet_failure is null
                  and not s.by_skip and coalesce(h.start_time <= p_time, true) and h.lane is null
            where places_given
          ) s order by s.child
        ) s
      ), outcome as (
        update task_state h set
          deps_left = h.deps_left - s.n,
          skip = h.skip or s.by_skip or (s.unmet_success is not null and h.unmet_policy = 2) or (s.unmet_failure is not null and h.unmet_policy <> 1),
          status = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then 4
            else mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) end,
          prior_status = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) <> h.status then h.status else 0 end,
          end_time = case when mp_outcome(h.status, h.deps_left - s.n, h.unmet_policy, s.unmet_success, s.unmet_failure, h.skip or s.by_skip, h.execution, h.start_time > p_time) in (6, 7, 9) then p_time end,
          -- The clock, not p_time: later than the ends of parents in transactions that this one has waited for.
          attempt = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then h.attempt + 1 else h.attempt end,
          worker = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then (p_slots).workers[least(s.place, cardinality((p_slots).workers))] else h.worker end,
          held_lane = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then null else h.held_lane end,
          claim_time = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then clock_timestamp() else h.claim_time end,
          run_time = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then clock_timestamp() else h.run_time end,
          activity_time = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time) then clock_timestamp() else h.activity_time end,
          lease_until = case when mp_starts(case when h.lane is null then s.place end, h.status, h.deps_left - s.n, h.skip, h.start_time > p_time)
            then clock_timestamp() + (p_slots).leases[least(s.place, cardinality((p_slots).leases))] * interval '1 millisecond' else h.lease_until end
        from placed s
        where h.id = any (array[s.child]) and h.status in (1, 5) and h.deps_left > 0
        returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue, h.priority, h.lane, h.flow, h.start_time, h.dependents, h.edits, h.worker, h.lease_until,
          h.inactivity_timeout_ms, h.execution_timeout_ms, case when h.status = 4 then s.place end as place,
          case when h.status = 7 then coalesce(case when h.unmet_policy <> 2 then s.unmet_success end, s.unmet_failure) end as culprit
      )
      select array_agg((case when status = 7 then 7 else 2 end)::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids,
        array_agg(prior_status) from_statuses, array_agg((case when status = 4 then 2 else status end)::smallint) to_statuses,
        array_agg(case when status = 4 then attempt - 1 else attempt end) attempts, array_agg(queue) queues,
        array_agg(case when status = 7 then edits else 0 end) workers, array_agg(distinct queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) ready,
        array_agg(id) filter (where status in (6, 7, 9) and dependents > 0) next_ids,
        array_agg(status) filter (where status in (6, 7, 9) and dependents > 0) next_statuses,
        array_agg(id) filter (where status = 4) started, array_agg(batch_id) filter (where status = 4) started_batches,
        array_agg(attempt) filter (where status = 4) started_attempts, array_agg(queue) filter (where status = 4) started_queues,
        array_agg(worker) filter (where status = 4) started_workers, array_agg(place) filter (where status = 4) places,
        min(least(lease_until, p_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) filter (where status = 4) as due,
        case when bool_or(status = 2 and (lane is not null or flow is not null or start_time is not null)) then
          array_agg(lane is not null or flow is not null or start_time is not null) filter (where status = 2 and coalesce(start_time <= p_time, true)) end as alone,
        array_agg(id) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queued, array_agg(queue) filter (where status = 2 and coalesce(start_time <= p_time, true)) as queues_of_queued,
        array_agg(-priority) filter (where status = 2 and coalesce(start_time <= p_time, true)) as ranks, array_agg(coalesce(flow, 0)) filter (where status = 2 and coalesce(start_time <= p_time, true)) as flows,
        array_agg(lane) filter (where status = 2 and coalesce(start_time <= p_time, true)) as lanes,
        bool_or(status = 2 and start_time > p_time) as delays, bool_or(status = 7) as fails, array_agg(culprit) as culprits
      into level from outcome where prior_status <> 0;
    end if;

    exit when level.ids is null;
    -- Each of these is seldom needed: as parts of the statement above, all of them were made ready to run each time.
    if level.queued is not null then
      perform mp_queue_tasks(level.queued, mp_trim(level.queues_of_queued), mp_trim(level.ranks), level.alone, level.flows, level.lanes);
    end if;
    if level.started is not null then
      insert into timer (due, task_ids, attempts) values (level.due, level.started, level.started_attempts);
    end if;
    if level.delays then
      insert into timer (due, task_ids, attempts)
      select h.start_time, array_agg(h.id), array_agg(h.attempt) from unnest(level.ids) x(id) join task_state h on h.id = any (array[x.id])
      where h.status = 2 and h.start_time > p_time group by h.start_time;
    end if;
    if level.fails then
      insert into task_attempt (task_id, attempt, status, cause, parent_id, end_time, message)
      select x.id, -x.edits, 7, 7, x.culprit, p_time,
        format('dependency "%s" ended as %s', coalesce(t.key, t.name), (array['SUCCESS', 'FAILURE', 'CANCELED', 'SKIPPED'])[h.status - 5])
      from unnest(level.ids, level.workers, level.culprits) x(id, edits, culprit) join task t on t.id = any (array[x.culprit]) join task_state h on h.id = any (array[x.culprit])
      where x.culprit is not null
      on conflict (task_id, attempt) do update set status = 7, cause = 7, parent_id = excluded.parent_id, end_time = excluded.end_time, message = excluded.message;
    end if;
    recent := mp_concat(recent, row(level.types, level.batch_ids, level.ids, level.from_statuses, level.to_statuses, level.attempts, level.queues, level.workers, null, null));
    if level.started is not null then
      -- As a claim in the same moment: PENDING, then RUNNING.
      recent := mp_concat(recent, row(array_fill(2::smallint, array[cardinality(level.started)]), level.started_batches, level.started,
        array_fill(2::smallint, array[cardinality(level.started)]), array_fill(4::smallint, array[cardinality(level.started)]), level.started_attempts,
        level.started_queues, level.started_workers, null, null));
      o_started := o_started || level.started;
      o_started_attempts := o_started_attempts || level.started_attempts;
      o_places := o_places || level.places;
      -- What a further level makes ready is queued: these places are taken.
      p_slots := null;
      places_given := false;
    end if;
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
    plain := false;
  end loop;
  p_changes := mp_concat(p_changes, recent);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_shorten_leases(p_ids bigint[], p_attempts integer[], p_lease_untils timestamp with time zone[], p_ms integer)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
declare
  cut_time timestamptz := clock_timestamp() + p_ms * interval '1 millisecond';
  shortened integer;
begin
  with u as (
    update task_state h set lease_until = cut_time, prior_status = 0
    from unnest(p_ids, p_attempts, p_lease_untils) x(id, attempt, lease_until)
    where h.id = any (array[x.id]) and h.status = 4 and h.attempt = x.attempt and h.lease_until = x.lease_until and h.lease_until > cut_time
    returning h.id, h.attempt
  ), watched as (
    insert into timer (due, task_ids, attempts) select cut_time, array_agg(id), array_agg(attempt) from u having count(*) > 0
  )
  select count(*) into shortened from u;
  return shortened;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_start_ready(p_most integer, p_keys bigint[], p_lanes bigint[], p_slots mp_slots, OUT o_ids bigint[], OUT o_batch_ids bigint[], OUT o_attempts integer[], OUT o_queues integer[], OUT o_workers integer[], OUT o_places integer[], OUT o_passed integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz;
  -- What is next, and of that, what this transaction holds; both by pool and place.
  head record;
  held record;
  locked_keys bigint[];
  batches bigint[];
  next_up record;
  gone bigint[];
  n_workers integer := cardinality(p_slots.workers);
  n_leases integer := cardinality(p_slots.leases);
  moved record;
begin
  -- PauseBatch closes this gate, as for mp_settle.
  if not pg_try_advisory_xact_lock_shared(7710, 3) then return; end if;
  if exists (select from paused_batch) or exists (select from fair_queue f where f.queue = any (p_slots.queues)) then return; end if;
  perform mp_tell_queues(mp_open_runs(p_slots.queues, p_most));
  select array_agg(x.id order by x.pool, x.n) as ids, array_agg(x.queue order by x.pool, x.n) as queues, array_agg(x.rank order by x.pool, x.n) as ranks, array_agg(x.flow order by x.pool, x.n) as flows,
    array_agg(x.pool order by x.pool, x.n) as pools, array_agg(x.first + x.n - 1 order by x.pool, x.n) as places
  into head from (
    select s.pool, s.first, s.count, r.queue, r.rank, r.flow, r.id, (row_number() over (partition by s.pool order by r.rank, r.id))::integer as n
    from unnest(p_slots.queues, p_slots.pools, p_slots.firsts, p_slots.counts) s(queue, pool, first, count)
      cross join lateral (select r.queue, r.rank, r.flow, r.id from ready r where r.queue = s.queue order by r.rank, r.flow, r.id limit least(s.count, p_most)) r
  ) x where x.n <= least(x.count, p_most);
  if head.ids is null then return; end if;
  select array_agg(x.id order by x.place) as ids, array_agg(x.queue order by x.place) as queues, array_agg(x.rank order by x.place) as ranks, array_agg(x.flow order by x.place) as flows,
    array_agg(x.pool order by x.place) as pools, array_agg(x.place order by x.place) as places, array_agg(x.lane order by x.place) as lanes, array_agg(x.batch_id order by x.place) as batch_ids
  into held from (
    select t.*, h.lane, h.batch_id, bool_and(h.batch_id is not null) over (partition by t.pool order by t.place) as goes
    from unnest(head.ids, head.queues, head.ranks, head.flows, head.pools, head.places) t(id, queue, rank, flow, pool, place)
      left join lateral (select q.lane, q.batch_id from task_state q where q.id = t.id and q.status = 2 for update skip locked) h on true
  ) x where x.goes;
  if held.ids is null then return; end if;
  o_passed := held.queues;
  locked_keys := array(select distinct k.key from (select distinct x.lane from unnest(held.lanes) x(lane)) x join lane l on l.id = any (array[x.lane]) cross join lateral unnest(l.keys) k(key));
  locked_keys := coalesce(p_keys, '{}') || array(select u.key_id from rule_usage u where u.key_id = any (locked_keys) and (u.key_id in (select unnest(p_keys))) is not true for update skip locked);
  batches := array(select b.batch_id from batch_state b where b.batch_id = any (held.batch_ids) for update skip locked);
  with task as materialized (
    select t.*, (t.batch_id in (select unnest(batches))) is true as has_batch
    from unnest(held.ids, held.queues, held.ranks, held.flows, held.pools, held.places, held.lanes, held.batch_ids) t(id, queue, rank, flow, pool, place, lane, batch_id)
  ), share as materialized (
    select t.pool, t.place, k.key, k.bound, count(*) over (partition by k.key order by t.place) as taken,
      l.has_capacity or 3 = any (l.types) or not l.keys <@ locked_keys or not ((l.id in (select unnest(p_lanes))) is true or not exists (select from blocked b where b.lane = l.id offset 0)) as is_other
    from task t join lane l on l.id = any (array[t.lane]) cross join lateral unnest(l.keys, l.bounds) k(key, bound)
  ), stop as materialized (
    select x.pool, min(x.place) as place from (
      select t.pool, t.place from task t where not t.has_batch
      union all
      select s.pool, s.place from share s join rule_usage u on u.key_id = any (array[s.key]) where s.is_other or u.in_use + s.taken > s.bound
    ) x group by x.pool
  )
  select array_agg(t.id order by t.place) as ids, array_agg(t.queue order by t.place) as queues, array_agg(t.rank order by t.place) as ranks, array_agg(t.flow order by t.place) as flows,
    array_agg(t.place order by t.place) as places
  into next_up from task t where not exists (select from stop where stop.pool = t.pool and stop.place <= t.place);
  if next_up.ids is null then return; end if;
  with taken as (
    delete from ready where ctid = any (array(
      select r.place from unnest(next_up.queues, next_up.ranks, next_up.flows, next_up.ids) t(queue, rank, flow, id) cross join lateral (
        select q.ctid as place from ready q where q.queue = t.queue and q.rank = t.rank and q.flow = t.flow and q.id = t.id offset 0) r)) returning id
  )
  select array_agg(id) into gone from taken;

  now_time := clock_timestamp();
  with u as (
    update task_state h set status = 4, prior_status = 2, attempt = h.attempt + 1, worker = p_slots.workers[least(x.place, n_workers)], claim_time = now_time, run_time = now_time,
      activity_time = now_time, lease_until = now_time + p_slots.leases[least(x.place, n_leases)] * interval '1 millisecond', held_lane = h.lane, held_amount = null
    from unnest(next_up.ids, next_up.places) x(id, place) where h.id = any (array[x.id]) and (x.id in (select unnest(gone))) is true
    returning h.id, h.batch_id, h.attempt, h.queue, h.worker, h.lane, x.place, h.lease_until, h.inactivity_timeout_ms, h.execution_timeout_ms
  )
  select array_agg(id order by place) as ids, array_agg(batch_id order by place) as batch_ids, array_agg(attempt order by place) as attempts, array_agg(queue order by place) as queues,
    array_agg(worker order by place) as workers, array_agg(lane order by place) as lanes, array_agg(place order by place) as places,
    min(least(lease_until, now_time + least(inactivity_timeout_ms, execution_timeout_ms) * interval '1 millisecond')) as due
  into moved from u;
  if moved.ids is null then return; end if;
  insert into timer (due, task_ids, attempts) values (moved.due, moved.ids, moved.attempts);
  with group_of as materialized (
    select x.lane, array_agg(x.id) as ids from unnest(moved.ids, moved.lanes) x(id, lane) where x.lane is not null group by x.lane
  ), kept as (
    insert into hold (lane, hold_time, task_ids, due) select lane, now_time, ids, now_time + interval '5 seconds' from group_of
  ), share as materialized (
    select k.key, sum(cardinality(g.ids)) as n from group_of g join lane l on l.id = any (array[g.lane]) cross join lateral unnest(l.keys) k(key) group by k.key
  )
  update rule_usage u set in_use = u.in_use + s.n from share s where u.key_id = any (array[s.key]);
  update batch_state b set pending = b.pending - x.n, running = b.running + x.n, prior_status = 0
  from (select batch_id, count(*)::integer as n from unnest(moved.batch_ids) m(batch_id) group by batch_id) x where b.batch_id = any (array[x.batch_id]);
  o_ids := moved.ids;
  o_batch_ids := moved.batch_ids;
  o_attempts := moved.attempts;
  o_queues := moved.queues;
  o_workers := moved.workers;
  o_places := moved.places;
  o_passed := array(select x.queue from unnest(held.ids, held.queues) x(id, queue) where (x.id in (select unnest(moved.ids))) is not true);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_starts(place integer, status smallint, deps_left integer, skip boolean, delayed boolean)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select place is not null and status = 1 and deps_left = 0 and not skip and delayed is not true
$function$;

CREATE OR REPLACE FUNCTION public.mp_stop(p_batch bigint, p_reason text, OUT o_changes mp_changes, OUT o_from smallint[], OUT o_ready integer[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
  ids bigint[];
  canceled record;
begin
  o_from := '{}';
  o_ready := '{}';
  for pass in 1..2 loop
    if pass = 2 then
      perform from batch_state where batch_id = p_batch for update;
    end if;
    select array_agg(t.id) into ids from task t join task_state h on h.id = any (array[t.id]) where t.batch_id = p_batch and h.status < 6;
    continue when ids is null;
    canceled := mp_cancel(ids, p_reason, true, now_time, o_changes);
    o_changes := canceled.p_changes;
    o_from := o_from || canceled.o_from;
    o_ready := o_ready || canceled.o_ready;
  end loop;
  update batch b set stop_reason = p_reason from batch_state s where b.id = p_batch and s.batch_id = p_batch and s.status in (1, 2);
  update batch_state set open = false where batch_id = p_batch and status in (1, 2);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_stop_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, p_reason text, OUT o_from smallint[], OUT o_already_ended bigint, OUT o_batch jsonb, OUT o_ready integer[], OUT o_follow_ups bigint[], OUT o_replayed_hash bytea)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  stopped record;
  appended record;
  earlier jsonb;
begin
  select * into earlier, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if earlier is not null then
    o_from := array(select jsonb_array_elements_text(earlier -> 'from'))::smallint[];
    o_already_ended := (earlier ->> 'already_ended')::bigint;
    o_batch := earlier -> 'batch';
    return;
  end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  stopped := mp_stop(p_batch, p_reason);
  o_from := stopped.o_from;
  o_ready := stopped.o_ready;
  appended := mp_append_event(stopped.o_changes, array[p_batch], p_batch);
  o_follow_ups := appended.o_follow_ups;
  if appended.o_wake then o_ready := o_ready || 0; end if;
  o_batch := mp_batch_json(p_batch);
  o_already_ended := (o_batch ->> 'total')::bigint - cardinality(o_from);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, jsonb_build_object('from', o_from, 'already_ended', o_already_ended, 'batch', o_batch));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_sweep_holds(p_max integer, OUT o_more boolean)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
declare
  now_time timestamptz := clock_timestamp();
begin
  with row_due as materialized (
    select h.ctid as place, h.hold_time, h.task_ids, h.lanes is not null as is_of_many from hold h where h.due <= now_time order by h.due limit p_max for update skip locked
  ), alive as materialized (
    select d.place from row_due d where not d.is_of_many and exists (
      select from task_state s where s.id = any (d.task_ids) and s.status in (3, 4) and s.claim_time = d.hold_time offset 0)
  ), gone as (
    delete from hold where ctid = any (array(select place from row_due except select place from alive))
  ), later as (
    update hold h set due = now_time + least(greatest(now_time - h.hold_time, interval '5 seconds'), interval '1 hour') where h.ctid = any (array(select place from alive))
  ), parted as (
    insert into hold (lane, hold_time, task_ids, due)
    select s.held_lane, d.hold_time, array_agg(s.id), now_time + interval '5 seconds' from row_due d cross join lateral (
      select q.id, q.held_lane from task_state q where q.id = any (d.task_ids) and q.status in (3, 4) and q.claim_time = d.hold_time offset 0) s
    where d.is_of_many and s.held_lane is not null group by d.place, d.hold_time, s.held_lane
  )
  select count(*) = p_max into o_more from row_due;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_sweep_rules(p_after bigint, p_max integer, OUT o_last bigint)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
declare
  lanes bigint[];
begin
  -- A loose index scan: from each lane that has something to the next.
  with recursive l as (
    (select b.lane, 1 as n from blocked b where b.lane > p_after order by b.lane limit 1)
    union all
    select (select b.lane from blocked b where b.lane > l.lane order by b.lane limit 1), l.n + 1 from l where l.lane is not null and l.n < p_max
  )
  select array_agg(lane), case when count(lane) = p_max then max(lane) end into lanes, o_last from l where lane is not null;
  perform mp_offer('{}', '{}', clock_timestamp(), array(
    select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_take_turns(p_queues integer[], p_max integer, p_turns jsonb, OUT o_ids bigint[], OUT o_lanes bigint[], OUT o_turns jsonb, OUT o_more boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  -- Of more ranks than this, nothing is known of what was before.
  ranks_max constant integer := 100;
  the_rank smallint;
  -- Where the last claim stopped at this rank.
  at_rank jsonb;
  lowest integer := -32768;
  wide integer := 1;
  want integer := p_max;
  got record;
begin
  o_turns := coalesce(p_turns, '{}');
  o_more := true;
  for look in 1 .. 50 loop
    exit when want = 0;
    perform mp_open_runs(p_queues, want * wide, lowest);
    select min(r.rank) into the_rank from unnest(p_queues) q(queue) cross join lateral (
      select r.rank from ready r where r.queue = q.queue and r.rank >= lowest order by r.rank limit 1) r;
    if the_rank is null then
      o_more := false;
      exit;
    end if;
    at_rank := coalesce(o_turns -> the_rank::text, '{"flows": {}}');
    with space as materialized (
      select s.id, s.weight, s.queues, case when s.is_on then (at_rank ->> 'spent')::integer else 0 end as spent,
        row_number() over (order by s.id < s.first, s.id) as n, coalesce(at_rank -> 'flows' -> s.id::text, '[0, 0]') as turn
      from (
        select s.*, s.is_at and (at_rank ->> 'spent')::integer < s.weight as is_on,
          max(case when s.is_at then s.id + case when (at_rank ->> 'spent')::integer < s.weight then 0 else 1 end else 0 end) over () as first
        from (
          select m.id, m.weight, array_agg(q.id) as queues, m.id = coalesce((at_rank ->> 'space')::integer, 0) as is_at
          from unnest(p_queues) x(id) join queue q on q.id = any (array[x.id]) join namespace m on m.id = q.namespace_id group by m.id, m.weight
        ) s
      ) s
    ), member as materialized (
      select s.*, f.flow, f.n as flow_n, coalesce(w.weight, 1) as flow_weight,
        case when f.flow = (s.turn ->> 0)::integer and f.flow = s.first then (s.turn ->> 1)::integer else 0 end as flow_spent,
        sum(coalesce(w.weight, 1)) over (partition by s.id) as weights
      from (
        select s.*, (s.turn ->> 0)::integer + case when (s.turn ->> 1)::integer < coalesce((select f.weight from flow f where f.id = (s.turn ->> 0)::integer), 1) then 0 else 1 end as first
        from space s
      ) s cross join lateral mp_next_flows(s.queues, the_rank, s.first, want * wide) f left join flow w on w.id = f.flow
    ), candidate as materialized (
      select m.id as space, m.n as space_n, m.weight, m.spent, m.flow, m.flow_n, m.flow_weight, r.queue, r.id,
        row_number() over (partition by m.id, m.flow order by r.id) - 1 + m.flow_spent as flow_place
      from member m cross join lateral (
        select r.queue, r.id from unnest(m.queues) q(queue) cross join lateral (
          select r.queue, r.id from ready r where r.queue = q.queue and r.rank = the_rank and r.flow = m.flow
          order by r.id limit m.flow_weight * ((want + m.weights - 1) / m.weights) * wide
        ) r order by r.id limit m.flow_weight * ((want + m.weights - 1) / m.weights) * wide
      ) r
    ), placed as (
      select c.*, row_number() over (partition by c.space order by c.flow_place / c.flow_weight, c.flow_n, c.flow_place) - 1 + c.spent as space_place from candidate c
    ), head as materialized (
      select p.*, row_number() over (order by p.space_place / p.weight, p.space_n, p.space_place) as n from placed p order by n limit want * wide
    ), free as materialized (
      select head.*, h.lane from head join task_state h on h.id = any (array[head.id]) where h.status = 2 limit want for update of h skip locked
    ), gone as (
      delete from ready where ctid = any (array(
        select r.place from free cross join lateral (
          select q.ctid as place from ready q where q.queue = free.queue and q.rank = the_rank and q.flow = free.flow and q.id = free.id offset 0) r)) returning id
    )
    select array_agg(t.id order by t.n) as ids, array_agg(t.lane order by t.n) as lanes, (select array_agg(id) from gone) as removed, (select count(*) from head) as heads,
      (select jsonb_build_object('space', l.space, 'spent', l.space_place % l.weight + 1) from free l order by l.n desc limit 1) as turn,
      (select jsonb_object_agg(l.space, jsonb_build_array(l.flow, l.flow_place % l.flow_weight + 1)) from (
        select distinct on (t.space) t.* from free t order by t.space, t.n desc) l) as flows
    into got from free t;
    if got.ids is null and got.heads > 0 and wide >= 64 then
      -- They hold very many. Nothing of less priority comes before what is free, whoever's turn it is.
      with free as materialized (
        select r.queue, r.flow, h.id, h.lane from unnest(p_queues) q(queue) cross join lateral (
          select r.queue, r.flow, r.id from ready r where r.queue = q.queue and r.rank = the_rank order by r.flow, r.id offset 0) r
          join task_state h on h.id = any (array[r.id]) where h.status = 2 limit want for update of h skip locked
      ), gone as (
        delete from ready where ctid = any (array(
          select r.place from free cross join lateral (
            select q.ctid as place from ready q where q.queue = free.queue and q.rank = the_rank and q.flow = free.flow and q.id = free.id offset 0) r)) returning id
      )
      select array_agg(id) as ids, array_agg(lane) as lanes, (select array_agg(id) from gone) as removed, 0::bigint as heads, at_rank - 'flows' as turn, '{}'::jsonb as flows into got from free;
    end if;
    if cardinality(got.removed) is distinct from cardinality(got.ids) then
      -- A row that was seen may be gone, of a task that has been claimed and queued again meanwhile.
      select array_agg(x.id order by x.n) as ids, array_agg(x.lane order by x.n) as lanes, got.heads, got.turn, got.flows into got
      from unnest(got.ids, got.lanes) with ordinality x(id, lane, n) where x.id in (select unnest(got.removed));
    end if;
    if got.ids is null then
      -- Others hold the heads: what is behind them may be free.
      if got.heads > 0 then
        wide := least(wide * 8, 64);
      else
        lowest := the_rank + 1;
        wide := 1;
      end if;
      continue;
    end if;
    o_ids := o_ids || got.ids;
    o_lanes := o_lanes || got.lanes;
    if not o_turns ? the_rank::text and (select count(*) from jsonb_object_keys(o_turns)) >= ranks_max then
      o_turns := '{}';
    end if;
    o_turns := o_turns || jsonb_build_object(the_rank, got.turn || jsonb_build_object('flows', (at_rank -> 'flows') || got.flows));
    want := want - cardinality(got.ids);
    wide := 1;
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_taken(p_key bigint, p_window bigint, p_in_use numeric, p_time timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
  select least(case when p_window = 0 then p_in_use else p_in_use - coalesce((
    select sum(s.starts) from rate_start s where s.key_id = p_key and s.start_time <= p_time - p_window * interval '1 millisecond'), 0) end, 9223372036854775807)::bigint
$function$;

CREATE OR REPLACE FUNCTION public.mp_tell_queues(p_queues integer[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  queues integer[] := array(select distinct q from unnest(p_queues) q order by q);
begin
  if queues <> '{}' then
    -- As servers tell each other; * for any queue: a payload has at most 8,000 bytes.
    perform pg_notify('millpond', 'rules ' || case when cardinality(queues) > 500 then '*' else array_to_string(queues, ',') end);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_tell_timers(p_due timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  if p_due < clock_timestamp() + interval '500 milliseconds' and not exists (select from timer t where t.due < p_due) and not exists (select from rule_alarm a where a.due < p_due) then
    perform pg_notify('millpond', 'timers');
  end if;
end $function$;

CREATE OR REPLACE FUNCTION public.mp_tight_lanes(p_lanes bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  lookout constant integer := 10000;
  seen record;
  some_blocked boolean;
begin
  if p_lanes = '{}' then return null; end if;
  some_blocked := exists (select from blocked);
  -- Most often there is room for all under the lowest of their bounds: one look along the keys tells.
  select bool_or(l.has_capacity) as has_capacity, array_agg(distinct k.key) as keys, min(k.bound) as bound
  into seen from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys, l.bounds) k(key, bound);
  if not some_blocked and not seen.has_capacity and not exists (select from rule_usage u where u.key_id = any (seen.keys) and u.in_use > seen.bound - lookout) then
    return null;
  end if;
  return (
    select array_agg(l.id) from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id])
    where l.has_capacity or (some_blocked and exists (select from blocked b where b.lane = l.id offset 0))
      or exists (select from unnest(l.keys, l.bounds) k(key, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.bound - u.in_use < lookout)
  );
end $function$;

CREATE OR REPLACE FUNCTION public.mp_tight_of_pending(p_statuses smallint[], p_lanes bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if p_lanes is null or 2 = any (p_statuses) is not true then return null; end if;
  if 2 = all (p_statuses) then
    return mp_tight_lanes(array(select distinct x.lane from unnest(p_lanes) x(lane) where x.lane is not null));
  end if;
  return mp_tight_lanes(array(select distinct x.lane from unnest(p_statuses, p_lanes) x(status, lane) where x.status = 2 and x.lane is not null));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_trim(a anyarray)
 RETURNS anyarray
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select case when cardinality(a) > 1 then case when a = array_fill(a[1], array[cardinality(a)]) then a[1:1] else a end else a end
$function$;

CREATE OR REPLACE FUNCTION public.mp_turn_down(p_ids bigint[], p_keys bigint[])
 RETURNS bigint[]
 LANGUAGE plpgsql
AS $function$
declare
  lanes bigint[];
  queues integer[];
  moved bigint[];
  look integer := 20;
  -- What is left is turned down by the next claims: one must not take longer than a statement may.
  most constant integer := 10000;
begin
  select array_agg(distinct h.lane), array_agg(distinct h.queue) into lanes, queues
  from unnest(p_ids) x(id) cross join lateral (select q.lane, q.queue from task_state q where q.id = x.id offset 0) h;
  loop
    with head as materialized (
      select r.queue, r.rank, r.flow, r.id, h.lane from unnest(queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.flow, r.id from ready r where r.queue = q.queue order by r.rank, r.flow, r.id limit look offset 0) r
        cross join lateral (select q.lane from task_state q where q.id = r.id and q.lane is not null offset 0) h
    ), full_lane as materialized (
      select x.lane from (select distinct head.lane from head) x cross join lateral (select q.keys, q.bounds from lane q where q.id = x.lane offset 0) l
      where exists (
        select from unnest(l.keys, l.bounds) k(key, bound) cross join lateral (select q.in_use from rule_usage q where q.key_id = k.key offset 0) u
        where k.key = any (p_keys) and u.in_use >= k.bound)
    ), held as materialized (
      select head.queue, head.rank, head.flow, h.lane, h.id from head join task_state h on h.id = any (array[head.id])
      where h.status = 2 and h.lane = head.lane and (head.lane in (select f.lane from full_lane f)) is true for update of h skip locked
    ), gone as (
      delete from ready where ctid = any (array(
        select r.place from held cross join lateral (
          select q.ctid as place from ready q where q.queue = held.queue and q.rank = held.rank and q.flow = held.flow and q.id = held.id offset 0) r)) returning rank, id
    ), kept as (
      insert into blocked (lane, rank, id, batch_id, block_time)
      select h.lane, gone.rank, gone.id, h.batch_id, clock_timestamp() from gone cross join lateral (select q.lane, q.batch_id from task_state q where q.id = gone.id offset 0) h on conflict do nothing returning lane
    )
    select array_agg(distinct kept.lane) into moved from kept;
    exit when moved is null;
    lanes := lanes || moved;
    look := look * 4;
    exit when look > most;
  end loop;
  return array(select distinct x.lane from unnest(lanes) x(lane));
end $function$;

CREATE OR REPLACE FUNCTION public.mp_update_task(p_namespace integer, p_request_id text, p_hash bytea, p_id bigint, p_fields integer, p_priority smallint, p_metadata text, p_expected bigint, p_start_timeout integer, p_inactivity_timeout bigint, p_execution_timeout bigint, p_total_timeout bigint, p_spec text, p_lane bigint, OUT o_ready integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION public.mp_wait_again(p_ids bigint[], OUT o_changes mp_changes, OUT o_parents bigint[], OUT o_parent_statuses smallint[], OUT o_children bigint[], OUT o_conditions smallint[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
declare
  below bigint[] := array(select h.id from unnest(mp_children(p_ids)) x(id) join task_state h on h.id = any (array[x.id]) where h.status in (1, 2, 5));
  moved record;
begin
  perform mp_dequeue(array(select h.id from unnest(below) x(id) join task_state h on h.id = any (array[x.id]) where h.status = 2));
  select coalesce(array_agg(p.parent), '{}'), coalesce(array_agg(p.status), '{}'), coalesce(array_agg(p.child), '{}'), coalesce(array_agg(p.condition), '{}')
  into o_parents, o_parent_statuses, o_children, o_conditions
  from mp_parents(below) p where p.status > 5 and ((p.condition = 1 and p.status <> 6) or (p.condition = 3 and p.status in (6, 9)));
  with stand as materialized (
    select child as id, count(*) filter (where status < 6 or (condition = 1 and status <> 6) or (condition = 3 and status in (6, 9)))::integer as deps_left
    from mp_parents(below) group by child
  ), u as (
    update task_state h set deps_left = s.deps_left, skip = false, status = case when h.status = 2 and s.deps_left > 0 then 1 else h.status end,
      prior_status = case when h.status = 2 and s.deps_left > 0 then 2 else 0 end
    from stand s where h.id = any (array[s.id]) returning h.id, h.batch_id, h.prior_status, h.status, h.attempt, h.queue
  )
  select array_agg(2::smallint) types, array_agg(batch_id) batch_ids, array_agg(id) ids, array_agg(prior_status) from_statuses, array_agg(status) to_statuses,
    array_agg(attempt) attempts, array_agg(queue) queues, array_agg(0) workers into moved from u where prior_status <> 0;
  o_changes := row(moved.types, moved.batch_ids, moved.ids, moved.from_statuses, moved.to_statuses, moved.attempts, moved.queues, moved.workers, null, null);
end $function$;

CREATE OR REPLACE FUNCTION public.mp_work_left(expected bigint, successes bigint, failures bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select greatest(coalesce(expected, 0)::numeric - successes - failures, 0)::bigint
$function$;

CREATE OR REPLACE FUNCTION public.mp_write_batches(p_namespace integer, p_time timestamp with time zone, p_batches bigint[], p_batch_names text[], p_batch_metadatas text[], p_open boolean[], p_paused boolean[], p_on_completes text[], p_on_complete_counts smallint[], p_totals integer[], p_waiting integer[], p_running integer[], p_batch_expected bigint[], p_attentive boolean[], p_request_ids text[], p_hashes bytea[], p_answers jsonb[], p_ids bigint[], p_batch_ids bigint[], p_queues integer[], p_statuses smallint[], p_workers integer[], p_limited boolean[], p_lanes bigint[], p_tight bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION public.mp_write_tasks(p_namespace integer, p_time timestamp with time zone, p_ids bigint[], p_batch_ids bigint[], p_open_batch_ids bigint[], p_queues integer[], p_executions smallint[], p_statuses smallint[], p_priorities smallint[], p_keys text[], p_names text[], p_metadatas text[], p_inputs text[], p_specs text[], p_expected bigint[], p_start_times timestamp with time zone[], p_start_timeouts integer[], p_inactivity_timeouts bigint[], p_unmet_policies smallint[], p_deps_left integer[], p_dependents integer[], p_cascades boolean[], p_parents text[], p_parent_conditions text[], p_children text[], p_child_conditions text[], p_policies integer[], p_execution_timeouts bigint[], p_total_timeouts bigint[], p_notifies smallint[], p_critical boolean[], p_only_for_dependents boolean[], p_serves boolean[], p_workers integer[], p_leases integer[], p_lanes bigint[], p_flows integer[], p_tight bigint[], OUT o_ready integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
AS $function$
declare
  n integer := cardinality(p_ids);
  -- All of them may start, and nothing sets one apart.
  is_alike constant boolean := p_lanes is null and p_flows is null and p_start_times is null and mp_trim(p_statuses) = array[2::smallint];
  queued record;
begin
  if n > 1 then
    p_batch_ids := mp_fill(p_batch_ids, n);
    p_queues := mp_fill(p_queues, n);
    p_executions := mp_fill(p_executions, n);
    p_statuses := mp_fill(p_statuses, n);
    p_priorities := mp_fill(p_priorities, n);
    p_start_timeouts := mp_fill(p_start_timeouts, n);
    p_inactivity_timeouts := mp_fill(p_inactivity_timeouts, n);
    p_unmet_policies := mp_fill(p_unmet_policies, n);
    p_deps_left := mp_fill(p_deps_left, n);
    p_dependents := mp_fill(p_dependents, n);
    p_workers := mp_fill(p_workers, n);
    p_leases := mp_fill(p_leases, n);
  end if;
  -- Each array by itself in a list of columns, not all of them in FROM: there, each is written to a store of its own first (a fifth of the time of an insert).
  o_ready := '{}';
  insert into task (id, batch_id, open_batch_id, create_time, expected_count, namespace_id, queue, key, name, parents, parent_conditions,
    children, child_conditions, metadata, input, spec, spec_id)
  select x.id, x.batch_id, x.open_batch_id, p_time, x.expected, p_namespace, x.queue, x.key, x.name, x.parents::bigint[],
    x.parent_conditions::smallint[], x.children::bigint[], x.child_conditions::smallint[], x.metadata::jsonb, x.input,
    case when x.spec like '{%' then x.spec end, case when x.spec like '=%' then substr(x.spec, 2)::bigint when x.spec like '+%' then x.id end
  from (
    select unnest(p_ids) as id, unnest(p_batch_ids) as batch_id, unnest(p_open_batch_ids) as open_batch_id, unnest(p_queues) as queue, unnest(p_keys) as key,
      unnest(p_names) as name, unnest(p_metadatas) as metadata, unnest(p_inputs) as input, unnest(p_specs) as spec, unnest(p_expected) as expected,
      unnest(p_parents) as parents, unnest(p_parent_conditions) as parent_conditions, unnest(p_children) as children, unnest(p_child_conditions) as child_conditions
  ) x;
  if p_specs is not null then
    insert into shared_spec (batch_id, id, spec)
    select x.batch_id, x.id, substr(x.spec, 2) from (select unnest(p_batch_ids) as batch_id, unnest(p_ids) as id, unnest(p_specs) as spec) x where x.spec like '+%';
  end if;
  insert into task_state (id, batch_id, start_time, lease_until, claim_time, run_time, activity_time, deps_left, dependents, queue, start_timeout_ms, inactivity_timeout_ms,
    status, prior_status, attempt, worker, priority, execution, unmet_policy, cascades, retry_policy, execution_timeout_ms, total_timeout_ms, total_deadline, notifies, critical,
    only_for_dependents, serves, lane, flow, held_lane)
  select x.id, x.batch_id, x.start_time, p_time + x.lease * interval '1 millisecond', case when x.status = 4 then p_time end, case when x.status = 4 then p_time end,
    case when x.status = 4 then p_time end, x.deps_left, x.dependents, x.queue, x.start_timeout, x.inactivity_timeout,
    x.status, case when x.status = 4 then 2 else 0 end, case when x.status = 4 then 1 else 0 end, x.worker, x.priority, x.execution,
    x.unmet_policy, coalesce(x.cascades, false), x.policy, x.execution_timeout, x.total_timeout,
    p_time + x.total_timeout * interval '1 millisecond', coalesce(x.notifies, 0), coalesce(x.critical, false), coalesce(x.only_for_dependents, false),
    coalesce(x.serves, false), x.lane, x.flow, case when x.status = 4 then x.lane end
  from (
    select unnest(p_ids) as id, unnest(p_batch_ids) as batch_id, unnest(p_start_times) as start_time, unnest(p_leases) as lease, unnest(p_deps_left) as deps_left,
      unnest(p_dependents) as dependents, unnest(p_queues) as queue, unnest(p_start_timeouts) as start_timeout, unnest(p_inactivity_timeouts) as inactivity_timeout,
      unnest(p_statuses) as status, unnest(p_workers) as worker, unnest(p_priorities) as priority, unnest(p_executions) as execution, unnest(p_unmet_policies) as unmet_policy,
      unnest(p_cascades) as cascades, unnest(p_policies) as policy, unnest(p_execution_timeouts) as execution_timeout, unnest(p_total_timeouts) as total_timeout,
      unnest(p_notifies) as notifies, unnest(p_critical) as critical, unnest(p_only_for_dependents) as only_for_dependents, unnest(p_serves) as serves, unnest(p_lanes) as lane, unnest(p_flows) as flow
  ) x;
  if p_total_timeouts is not null then
    insert into timer (due, task_ids, attempts)
    select p_time + t * interval '1 millisecond', array_agg(id), array_agg(-1) from unnest(p_ids, p_total_timeouts) x(id, t) where t is not null group by t;
  end if;
  if exists (select from dedupe_shape) then
    perform mp_index_for_dedupe(p_ids);
  end if;
  if p_start_times is not null then
    insert into timer (due, task_ids, attempts)
    select x.start_time, array_agg(x.id), array_agg(0) from unnest(p_ids, p_start_times, p_statuses) x(id, start_time, status) where x.status = 2 and x.start_time > p_time group by x.start_time;
    perform mp_tell_timers((select min(x.start_time) from unnest(p_start_times, p_statuses) x(start_time, status) where x.status = 2 and x.start_time > p_time));
  end if;
  if is_alike then
    o_ready := mp_queue_tasks(p_ids, mp_trim(p_queues), array(select -x from unnest(mp_trim(p_priorities)) x), null, null, null);
  elsif 2 = any (p_statuses) then
    select array_agg(x.id) as ids, array_agg(x.queue) as queues, array_agg(-x.priority) as ranks, case when bool_or(x.is_alone) then array_agg(x.is_alone) end as alone, array_agg(x.flow) as flows,
      array_agg(case when x.lane in (select t.lane from unnest(p_tight) t(lane)) then x.lane end) as lanes
    into queued from (
      select y.*, y.lane is not null or y.flow is not null or y.start_time is not null as is_alone from (
        select unnest(p_ids) as id, unnest(p_queues) as queue, unnest(p_priorities) as priority, unnest(p_start_times) as start_time, unnest(p_statuses) as status,
          unnest(p_lanes) as lane, unnest(p_flows) as flow
      ) y
    ) x
    where x.status = 2 and coalesce(x.start_time <= p_time, true);
    if queued.ids is not null then
      o_ready := mp_queue_tasks(queued.ids, mp_trim(queued.queues), mp_trim(queued.ranks), queued.alone, queued.flows, queued.lanes);
    end if;
  end if;
  if p_workers is not null then
    insert into timer (due, task_ids, attempts)
    select p_time + min(least(x.lease, x.inactivity_timeout, x.execution_timeout)) * interval '1 millisecond', array_agg(x.id), array_fill(1, array[count(*)::integer])
    from unnest(p_ids, p_workers, p_leases, p_inactivity_timeouts, p_execution_timeouts) x(id, worker, lease, inactivity_timeout, execution_timeout) where x.worker is not null;
  end if;
end $function$;
