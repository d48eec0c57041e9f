-- What counts add to the tables.

-- How far the counts of each producer are in: everything that it numbered up to last_sequence. Locked before tasks, in the order of the servers' texts, by
-- who adds counts and by nobody else. Forgotten a day after its last use.
create table count_producer (
  producer_id text not null,
  namespace_id integer not null,
  last_sequence bigint not null,
  use_time timestamptz not null,
  constraint count_producer_pkey primary key (producer_id, namespace_id)
) with (fillfactor = 50);
