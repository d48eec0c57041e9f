-- What rules (limits on starts) add to the tables.

-- A dictionary: equal rules stored once. type: 1 concurrency, 2 capacity, 3 rate. bound: holders, remaining work, or starts per window.
create table rule (
  id integer generated always as identity,
  namespace_id integer not null,
  name text not null,
  kind text not null,
  fields text[] not null,
  type smallint not null,
  bound bigint not null,
  window_ms bigint not null default 0,
  digest text not null,
  constraint rule_pkey primary key (id),
  constraint rule_digest_key unique (namespace_id, digest),
  constraint rule_namespace_fkey foreign key (namespace_id) references namespace (id),
  constraint rule_type_known check (type between 1 and 3),
  constraint rule_bound_positive check (bound >= 1),
  constraint rule_window check ((type = 3) = (window_ms > 0))
);

-- A dictionary: what is limited. Rules of one type (of rates: and window) with equal kind and values share a key, whatever their bounds.
create table rule_key (
  id bigint generated always as identity,
  namespace_id integer not null,
  type smallint not null,
  window_ms bigint not null default 0,
  kind text not null,
  key text not null,
  constraint rule_key_pkey primary key (id)
);
-- By a hash: keys may be larger than an entry of an index.
create unique index rule_key_natural_key on rule_key (namespace_id, type, window_ms, md5(key));

-- What is taken of a key: holders, their remaining work (of several, more than 64 bits hold), or the starts that rate_start still holds. Locked after batches,
-- in the order of ids.
create table rule_usage (
  key_id bigint not null,
  in_use numeric not null default 0,
  constraint rule_usage_pkey primary key (key_id),
  constraint rule_usage_not_negative check (in_use >= 0)
) with (fillfactor = 40);

-- A dictionary: the tasks of one queue with the same rules and keys. What one of them may do, all may.
-- rules, keys, types, bounds, windows: parallel, ordered by keys; windows in milliseconds, 0 but for rates. has_capacity: a rule of it counts remaining work.
-- Locked after rule_usage, in the order of ids.
create table lane (
  id bigint generated always as identity,
  namespace_id integer not null,
  queue integer not null,
  rules integer[] not null,
  keys bigint[] not null,
  types smallint[] not null,
  bounds bigint[] not null,
  windows bigint[] not null,
  has_capacity boolean not null,
  digest text not null,
  constraint lane_pkey primary key (id),
  constraint lane_digest_key unique (digest)
);

-- Which lanes a key is in.
create table lane_key (
  key_id bigint not null,
  lane bigint not null,
  constraint lane_key_pkey primary key (key_id, lane)
);

-- Tasks that may start but for their rules, by lane. They are put back into ready when there is room for them, as many as fit.
create table blocked (
  lane bigint not null,
  rank smallint not null,
  id bigint not null,
  batch_id bigint not null,
  block_time timestamptz not null,
  constraint blocked_pkey primary key (lane, rank, id)
);

-- Starts under rates, as long as they are in the window: so many at a time, one row per transaction and key.
create table rate_start (
  key_id bigint not null,
  start_time timestamptz not null,
  id bigint generated always as identity,
  starts integer not null,
  constraint rate_start_pkey primary key (key_id, start_time, id)
);

-- When somebody has to look at the lanes of a key again: when a window has room.
create table rule_alarm (
  due timestamptz not null,
  key_id bigint not null,
  constraint rule_alarm_pkey primary key (due, key_id)
);

-- Who holds slots: tasks with rules that are CLAIMED or RUNNING, and the lane under which they were let in. amount: the work that they hold of keys of capacity.
create table holder (
  task_id bigint not null,
  lane bigint not null,
  amount bigint not null,
  hold_time timestamptz not null,
  constraint holder_pkey primary key (task_id)
) with (fillfactor = 80);
create index holder_lane on holder (lane, hold_time, task_id);

-- lane: under which rules it starts next; null: none.
alter table task_state add column lane bigint;
-- limited: tasks of it have had rules.
alter table batch_state add column limited boolean not null default false;
-- lane: as of the task. So it is known what is offered of a lane.
alter table ready add column lane bigint;
create index ready_lane on ready (lane, rank, id) where lane is not null;
alter table parked add column lane bigint;
