-- What retries, timeouts, holds, policies, deliveries and deduplication add to the tables.

-- A dictionary: equal retry policies stored once. Times in milliseconds; causes as in task_attempt, empty: every one that may be retried.
create table retry_policy (
  id integer generated always as identity,
  max_attempts smallint not null,
  initial_backoff_ms bigint not null,
  multiplier double precision not null,
  increment_ms bigint not null,
  max_backoff_ms bigint not null,
  jitter double precision not null,
  causes smallint[] not null,
  non_retryable_codes text[] not null,
  digest text not null,
  constraint retry_policy_pkey primary key (id),
  constraint retry_policy_digest_key unique (digest),
  constraint retry_policy_attempts check (max_attempts >= 1)
);

-- requeued: attempts whose start timeout or lease ran out and that were repeated at once; like released ones, they use up none of max_attempts.
-- notifies: how many webhooks follow its end: SUCCESS in the lowest five bits, FAILURE in the next, CANCELED in the third.
-- serves: one of its parents is only_for_dependents.
-- total_deadline: when total_timeout_ms is over, counted from its creation or retry_time.
-- retry_time: when a call ran it again; from then on its total timeout counts.
-- edits: how often it was changed by a call.
alter table task_state
  add column total_deadline timestamptz,
  add column retry_time timestamptz,
  add column execution_timeout_ms bigint,
  add column total_timeout_ms bigint,
  add column retry_policy integer,
  add column edits integer not null default 0,
  add column requeued smallint not null default 0,
  add column notifies smallint not null default 0,
  add column critical boolean not null default false,
  add column only_for_dependents boolean not null default false,
  add column serves boolean not null default false;

-- The webhook to be called when an attempt that runs is canceled or times out, as its receiver asked for: ProtoJSON.
alter table task_attempt add column claim_time timestamptz, add column cancel_webhook text;

-- on_complete: the webhooks that follow its end, a ProtoJSON list.
alter table batch add column on_complete text;
-- attentive: something may follow from the end of a task of it, beside the settling of edges: a webhook, a stop, a task that nothing needs any more.
alter table batch_state
  add column on_complete smallint not null default 0,
  add column attentive boolean not null default false;

-- Batches that are held. A claim looks here before it looks at the batches of what it takes: the table is nearly always empty.
create table paused_batch (
  batch_id bigint not null,
  constraint paused_batch_pkey primary key (batch_id)
);

-- What of a held batch may start: claims move it here from ready when they meet it, ResumeBatch moves it back.
create table parked (
  batch_id bigint not null,
  id bigint not null,
  queue integer not null,
  rank smallint not null,
  constraint parked_pkey primary key (batch_id, id)
);

-- What is to be done because of a change, in a transaction of its own that locks in the right order: kind 1, stop the batches of critical tasks
-- that failed; kind 2, look at the parents, only there for their dependents, of tasks that ended. Done before the call that caused it is answered;
-- a loop does what a server that died has left.
create table follow_up (
  id bigint generated always as identity,
  kind smallint not null,
  task_ids bigint[] not null,
  constraint follow_up_pkey primary key (id),
  constraint follow_up_kind_known check (kind between 1 and 2)
);

-- Webhook calls to be made at least once. trigger: 1 SUCCESS 2 FAILURE 3 CANCELED of the task, 4 the batch has ended (task_id 0), 5 the attempt is to
-- stop. position: which webhook of the task's or batch's list; webhook: it itself, where it is in no list. state: 1 PENDING 2 DELIVERED 3 EXHAUSTED.
-- due: when to try next, also the end of the lease of who tries; fence: how often it was taken, the token of who has it.
create table delivery (
  id bigint generated always as identity,
  batch_id bigint not null,
  task_id bigint not null,
  namespace_id integer not null,
  trigger smallint not null,
  position smallint not null,
  attempt integer not null,
  state smallint not null default 1,
  fence integer not null default 0,
  attempt_count integer not null default 0,
  last_status_code integer not null default 0,
  due timestamptz not null,
  create_time timestamptz not null,
  last_attempt_time timestamptz,
  deliver_time timestamptz,
  webhook text,
  last_error text,
  constraint delivery_pkey primary key (id),
  constraint delivery_trigger_known check (trigger between 1 and 5),
  constraint delivery_state_known check (state between 1 and 3)
);
create index delivery_due on delivery (due) where state = 1;
create index delivery_task on delivery (task_id, id);
create index delivery_batch on delivery (batch_id, id);

-- A dictionary: what matchers of deduplication compare. From the first use on, every new task of the kind that has all fields is in dedupe_key; older ones
-- are added by steps, the newest first. filled_below: those with lower ids are not in it yet; 0: all are, and the shape can be used.
create table dedupe_shape (
  id integer generated always as identity,
  namespace_id integer not null,
  kind text not null,
  fields text[] not null,
  filled_below bigint not null,
  constraint dedupe_shape_pkey primary key (id),
  constraint dedupe_shape_natural_key unique (namespace_id, kind, fields),
  constraint dedupe_shape_namespace_fkey foreign key (namespace_id) references namespace (id)
);

-- The tasks that a matcher may find, by a hash of the values of its fields. ended: known to have ended, so that who looks for living ones need not
-- look at it again.
create table dedupe_key (
  hash bigint not null,
  task_id bigint not null,
  shape integer not null,
  ended boolean not null default false,
  constraint dedupe_key_pkey primary key (shape, hash, task_id)
);
create index dedupe_key_living on dedupe_key (shape, hash, task_id) where not ended;
