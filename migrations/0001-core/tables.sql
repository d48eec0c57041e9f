-- The tables of Millpond. docs/decisions/0003-tables.md says why they are cut this way.
--
-- Task status: 1 WAITING 2 PENDING 3 CLAIMED 4 RUNNING 5 PAUSED 6 SUCCESS 7 FAILURE 8 CANCELED 9 SKIPPED
-- Batch status: 1 ACTIVE 2 PAUSED 3 SUCCESS 4 FAILURE 5 CANCELED
-- Condition of an edge: 1 SUCCESS 2 COMPLETED 3 FAILURE
-- Execution: 1 worker 2 webhook 3 join

-- One row: what all servers of this database share.
create table instance (
  singleton boolean not null default true,
  uuid_salt bigint not null,
  handle_secret bytea not null,
  create_time timestamptz not null default now(),
  constraint instance_pkey primary key (singleton),
  constraint instance_singleton check (singleton)
);
insert into instance (uuid_salt, handle_secret) values (
  ('x' || substr(md5(gen_random_uuid()::text), 1, 15))::bit(60)::bigint,
  sha256((gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
);

create table namespace (
  id integer not null,
  name text not null,
  constraint namespace_pkey primary key (id),
  constraint namespace_name_key unique (name)
);
insert into namespace (id, name) values (1, 'default');

-- A dictionary, append-only: what tasks of one kind, way of execution and set of required labels queue under.
create table queue (
  id integer generated always as identity,
  namespace_id integer not null,
  kind text not null,
  execution smallint not null,
  labels jsonb not null default '{}',
  constraint queue_pkey primary key (id),
  constraint queue_namespace_fkey foreign key (namespace_id) references namespace (id),
  constraint queue_execution_known check (execution between 1 and 3)
);
-- By a hash: labels may be larger than an entry of an index.
create unique index queue_natural_key on queue (namespace_id, kind, execution, md5(labels::text));

-- A dictionary: names of workers, so that hot rows hold four bytes of them.
create table worker (
  id integer generated always as identity,
  namespace_id integer not null,
  name text not null,
  create_time timestamptz not null default now(),
  constraint worker_pkey primary key (id),
  constraint worker_name_key unique (namespace_id, name),
  constraint worker_namespace_fkey foreign key (namespace_id) references namespace (id)
);

-- What of a batch hardly ever changes.
create table batch (
  id bigint not null,
  namespace_id integer not null,
  create_time timestamptz not null,
  name text not null,
  metadata jsonb not null,
  stop_reason text,
  constraint batch_pkey primary key (id)
);

-- What of a batch changes: one row, touched once per transaction and batch, last in the lock order.
create table batch_state (
  batch_id bigint not null,
  end_time timestamptz,
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
  constraint batch_state_pkey primary key (batch_id),
  constraint batch_state_counts check (
    least(waiting, pending, claimed, running, paused, success, failure, canceled, skipped) >= 0
    and waiting + pending + claimed + running + paused + success + failure + canceled + skipped = total
  )
) with (fillfactor = 40);

-- Which queues (and so, which kinds) a batch has tasks of.
create table batch_queue (
  queue integer not null,
  batch_id bigint not null,
  constraint batch_queue_pkey primary key (queue, batch_id)
);

-- What of a task hardly ever changes. Edges that were known at its creation live here as arrays, both ways;
-- a null array of conditions means: every one of them SUCCESS. spec: the rest of what was given, as ProtoJSON.
-- open_batch_id: the batch, where it was open when the task came: only there can keys meet later.
create table task (
  id bigint not null,
  batch_id bigint not null,
  open_batch_id bigint,
  create_time timestamptz not null,
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
  constraint task_pkey primary key (id)
);
create index task_batch on task (batch_id, id);
create unique index task_open_batch_key on task (open_batch_id, key) where open_batch_id is not null and key is not null;

-- What of a task changes. Fixed width, one index: none may ever mention a column that changes, so that updates stay HOT.
-- cascades: its success may end others at once: a child is a join, or has an edge of condition FAILURE.
-- released: attempts that nobody was ever told of; they are not counted.
-- prior_status: the status before the last update, 0 where that changed none (what RETURNING OLD says from PostgreSQL 18 on).
create table task_state (
  id bigint not null,
  batch_id bigint not null,
  start_time timestamptz,
  lease_until timestamptz,
  claim_time timestamptz,
  run_time timestamptz,
  activity_time timestamptz,
  end_time timestamptz,
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
  constraint task_state_pkey primary key (id),
  constraint task_state_deps_left check (deps_left >= 0)
) with (fillfactor = 50);

-- Only what may start now and has not been taken.
create table ready (
  queue integer not null,
  rank smallint not null,
  id bigint not null,
  constraint ready_pkey primary key (queue, rank, id)
);

-- Only edges onto tasks that existed before their child; task_state.grown of the parent says that there are some.
create table edge_late (
  parent bigint not null,
  child bigint not null,
  condition smallint not null,
  constraint edge_late_pkey primary key (parent, child)
);

-- What is worth keeping of an attempt: a failure, an output, the last progress. Attempt 0: brought down before any.
create table task_attempt (
  task_id bigint not null,
  attempt integer not null,
  status smallint,
  cause smallint,
  worker integer,
  parent_id bigint,
  start_time timestamptz,
  end_time timestamptz,
  message text,
  code text,
  details text,
  output text,
  progress text,
  constraint task_attempt_pkey primary key (task_id, attempt)
);

-- When somebody has to look at some tasks again: their start time, lease or inactivity. One row per transaction, a hint:
-- what is due is decided from task_state, and what is not due yet is put off to when it will be.
create table timer (
  due timestamptz not null,
  id bigint generated always as identity,
  task_ids bigint[] not null,
  attempts integer[] not null,
  constraint timer_pkey primary key (due, id)
);

-- Answers of calls with a request_id, kept for 24 h.
create table request (
  namespace_id integer not null,
  request_id text not null,
  create_time timestamptz not null,
  body_hash bytea not null,
  result jsonb not null,
  constraint request_pkey primary key (namespace_id, request_id)
);
create index request_create_time on request (create_time);

-- Blocks of task and batch ids: one draw gives a server 4096 of them.
create sequence id_block;

-- The event feed: one row per transaction, drawn and written last (docs/decisions/0001-feed-order.md).
-- types: 1 created, 2 status changed, 3 status changed and task_attempt holds more, 4 counts changed, 5 batch changed (task_id 0)
create sequence event_seq;
create table event_tx (
  seq bigint not null,
  commit_time timestamptz not null,
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
  constraint event_tx_pkey primary key (seq)
);
