-- Blocks, beside tasks that a claim has blocked, what stands at the heads of their queues and waits for the same full keys: it would be turned down by one claim after the
-- other. Of one key each of many lanes may have been offered. p_keys: locked by the claim. Tasks that somebody holds are passed over. Answers the lanes of all of them.
create function mp_turn_down(p_ids bigint[], p_keys bigint[]) returns bigint[] language plpgsql as $$
declare
  lanes bigint[];
  queues integer[];
  moved bigint[];
  look integer := 20;
  -- What is left is turned down by the next claims: one must not take longer than a statement may.
  most constant integer := 10000;
begin
  select array_agg(distinct h.lane), array_agg(distinct h.queue) into lanes, queues
  from unnest(p_ids) x(id) cross join lateral (select q.lane, q.queue from task_state q where q.id = x.id offset 0) h;
  loop
    with head as materialized (
      select r.queue, r.rank, r.flow, r.id, h.lane from unnest(queues) q(queue) cross join lateral (
        select r.queue, r.rank, r.flow, r.id from ready r where r.queue = q.queue order by r.rank, r.flow, r.id limit look offset 0) r
        cross join lateral (select q.lane from task_state q where q.id = r.id and q.lane is not null offset 0) h
    ), full_lane as materialized (
      select x.lane from (select distinct head.lane from head) x cross join lateral (select q.keys, q.bounds from lane q where q.id = x.lane offset 0) l
      where exists (
        select from unnest(l.keys, l.bounds) k(key, bound) cross join lateral (select q.in_use from rule_usage q where q.key_id = k.key offset 0) u
        where k.key = any (p_keys) and u.in_use >= k.bound)
    ), held as materialized (
      select head.queue, head.rank, head.flow, h.lane, h.id from head join task_state h on h.id = any (array[head.id])
      where h.status = 2 and h.lane = head.lane and (head.lane in (select f.lane from full_lane f)) is true for update of h skip locked
    ), gone as (
      delete from ready where ctid = any (array(
        select r.place from held cross join lateral (
          select q.ctid as place from ready q where q.queue = held.queue and q.rank = held.rank and q.flow = held.flow and q.id = held.id offset 0) r)) returning rank, id
    ), kept as (
      insert into blocked (lane, rank, id, batch_id, block_time)
      select h.lane, gone.rank, gone.id, h.batch_id, clock_timestamp() from gone cross join lateral (select q.lane, q.batch_id from task_state q where q.id = gone.id offset 0) h on conflict do nothing returning lane
    )
    select array_agg(distinct kept.lane) into moved from kept;
    exit when moved is null;
    lanes := lanes || moved;
    look := look * 4;
    exit when look > most;
  end loop;
  return array(select distinct x.lane from unnest(lanes) x(lane));
end $$;
