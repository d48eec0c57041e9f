-- Turns: who shares a queue within a priority takes turns. And rules for less: who holds slots is written with the task.

-- How many turns the tasks of a namespace take where another one takes one.
alter table namespace add column weight integer not null default 1 constraint namespace_weight_range check (weight >= 1 and weight <= 1000);

-- A dictionary: the values of fairness_key, those who take turns within a namespace; the weight that was given last. Tasks without such a key are of flow 0, of weight 1.
create table flow (
  id integer generated always as identity,
  namespace_id integer not null,
  key text not null,
  weight integer not null,
  constraint flow_pkey primary key (id),
  constraint flow_namespace_fkey foreign key (namespace_id) references namespace (id),
  constraint flow_weight_range check (weight >= 1 and weight <= 1000)
);
create unique index flow_natural_key on flow (namespace_id, md5(key));

-- Queues in which tasks have had a fairness_key: claims from others do not look for turns.
create table fair_queue (
  queue integer not null,
  constraint fair_queue_pkey primary key (queue)
);

-- flow: null for 0. held_lane, held_amount: under which rules it was let in, and the work that it holds of keys of capacity; while it is CLAIMED or RUNNING, that is
-- what it holds. Left as they were after that.
alter table task_state add column flow integer, add column held_lane bigint, add column held_amount bigint;
alter table lane add column flow integer not null default 0;
alter table parked add column flow integer not null default 0;

-- lane: null, too, for tasks with rules where there was room for thousands: then what is offered is not counted.
alter table ready add column flow integer not null default 0;
alter table ready drop constraint ready_pkey;
alter table ready add constraint ready_pkey primary key (queue, rank, flow, id);

-- Whom to ask who holds a lane: those who were let in together. Of these, some may have ended; rows of which all have are deleted by and by, at due at the earliest.
create table hold (
  lane bigint not null,
  hold_time timestamptz not null,
  id bigint generated always as identity,
  task_ids bigint[] not null,
  due timestamptz not null,
  constraint hold_pkey primary key (lane, hold_time, id)
);
create index hold_due on hold (due);

update task_state s set held_lane = h.lane, held_amount = h.amount from holder h where s.id = h.task_id;
insert into hold (lane, hold_time, task_ids, due) select lane, hold_time, array_agg(task_id), now() from holder group by lane, hold_time;
drop table holder;

-- The history of UpdateBatchRules: what the rules of a kind in a batch became, and why.
create table rule_change (
  id bigint generated always as identity,
  batch_id bigint not null,
  change_time timestamptz not null,
  kind text not null,
  rules text not null,
  reason text not null,
  updated integer not null,
  constraint rule_change_pkey primary key (batch_id, id)
);

-- How many tasks of lanes were let in by a transaction (less those that have left), and the work that these hold.
create type mp_moves as (lanes bigint[], holders bigint[], amounts numeric[]);
