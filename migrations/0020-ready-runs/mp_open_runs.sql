-- Moves tasks from ready_run into ready, so that those of the first p_max tasks of each queue stand there one by one, but for those that somebody else is about to take: for whoever looks at the heads of queues
-- task by task. p_rank: what is more urgent is not looked at.
-- Answers the queues of which it has moved some. Until the caller commits, nobody else finds these: who does not take from their queue tells of it (mp_tell_queues).
create function mp_open_runs(p_queues integer[], p_max integer, p_rank integer default -32768) returns integer[] language plpgsql as $$
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
end $$;
