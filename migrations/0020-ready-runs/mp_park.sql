-- Moves what belongs to held batches out of the way of a claim: looks at the first rows of each queue until there is nothing to move among them. Tasks
-- that somebody holds are passed over. What is more than some thousands is left to the next claims: one must not take longer than a statement may. Answers the lanes of what it has moved.
create or replace function mp_park(p_queues integer[], p_max integer) returns bigint[] language plpgsql as $$
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
end $$;
