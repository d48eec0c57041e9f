-- How long tasks were blocked that have been offered, in milliseconds, a row for each offer and thousand tasks: a server takes it away for its metrics, some seconds later. Nothing else needs it.
create table blocked_wait (
  id bigint generated always as identity,
  waits_ms integer[] not null,
  constraint blocked_wait_pkey primary key (id)
);
