-- Workers that are connected, or have asked for tasks lately, as the server that has them knows them: written when one comes or goes, and every few seconds
-- for all whose figures have changed, in one statement. A row that its server does not write any more expires.
-- session: tells one stream of a worker from the next, and the servers to which a worker without a stream has come. streams: it has a stream.
-- running_ids, running_attempts: attempts that it has had for a moment; whether it still has them is in task_state.
create table worker_presence (
  connect_time timestamptz not null,
  heartbeat_time timestamptz not null,
  expire_time timestamptz not null,
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
  constraint worker_presence_pkey primary key (namespace_id, name),
  constraint worker_presence_namespace_fkey foreign key (namespace_id) references namespace (id)
) with (fillfactor = 50);
