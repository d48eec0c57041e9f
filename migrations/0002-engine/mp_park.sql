-- Moves what belongs to held batches out of the way of a claim: looks at the first rows of each queue until there is nothing to move among them. Tasks
-- that somebody holds are passed over.
create function mp_park(p_queues integer[], p_max integer) returns void language plpgsql as $$
declare
  moved integer;
begin
  loop
    with head as materialized (
      select r.queue, r.rank, r.id from unnest(p_queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.id from ready r where r.queue = q.queue order by r.rank, r.id limit greatest(p_max, 500)
      ) r
    ), held as materialized (
      select h.batch_id, head.queue, head.rank, h.id from head join task_state h on h.id = any (array[head.id])
      where h.status = 2 and exists (select from paused_batch b where b.batch_id = any (array[h.batch_id])) for update of h skip locked
    ), gone as (
      delete from ready where ctid = any (array(
        select r.ctid from held join ready r on r.queue = any (array[held.queue]) and r.rank = held.rank and r.id = held.id)) returning queue, rank, id
    ), kept as (
      insert into parked (batch_id, id, queue, rank) select h.batch_id, gone.id, gone.queue, gone.rank from gone join task_state h on h.id = any (array[gone.id])
      on conflict do nothing
    )
    select count(*) into moved from gone;
    exit when moved = 0;
  end loop;
end $$;
