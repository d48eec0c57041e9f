-- How long tasks were blocked that rules have let go on just now, in milliseconds, a row for each transaction: a server takes it away for its metrics, within seconds. Nothing else needs it.
create table blocked_wait (
  id bigint generated always as identity,
  waits_ms integer[] not null,
  constraint blocked_wait_pkey primary key (id)
);
