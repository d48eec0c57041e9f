-- Takes tasks that were PENDING, and that the caller has locked, out of what may start. What was parked first: ResumeBatch, which moves such rows without
-- holding their tasks, is waited for, and then the row is where it has moved it. So is who moves what is blocked: into ready, from where nobody takes it who
-- does not hold its task, or to what is parked, where it is looked for again.
create or replace function mp_dequeue(p_ids bigint[]) returns void language plpgsql as $$
declare
  ids bigint[] := p_ids;
  found_ids bigint[];
  gone bigint[];
begin
  perform mp_leave_runs(p_ids);
  for turn in 1 .. 3 loop
    exit when coalesce(cardinality(ids), 0) = 0;
    -- In the order in which ResumeBatch takes them.
    perform from (
      select h.batch_id, h.id from unnest(ids) x(id) join task_state h on h.id = any (array[x.id]) order by h.batch_id, h.id
    ) x cross join lateral (select p.id from parked p where p.batch_id = x.batch_id and p.id = x.id offset 0 for update) k;
    with parked_rows as (
      delete from parked where ctid = any (array(
        select k.place from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
          cross join lateral (select p.ctid as place from parked p where p.batch_id = h.batch_id and p.id = h.id offset 0) k)) returning id
    )
    select array_agg(id) into found_ids from parked_rows;
    perform from (
      select h.lane, -h.priority as rank, h.id from unnest(ids) x(id) join task_state h on h.id = any (array[x.id]) where h.lane is not null order by h.lane, -h.priority, h.id
    ) x cross join lateral (select b.id from blocked b where b.lane = x.lane and b.rank = x.rank and b.id = x.id offset 0 for update) k;
    with blocked_rows as (
      delete from blocked where ctid = any (array(
        select k.place from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
          cross join lateral (select b.ctid as place from blocked b where b.lane = h.lane and b.rank = -h.priority and b.id = h.id offset 0) k)) returning id
    )
    select array_agg(id) into gone from blocked_rows;
    found_ids := found_ids || gone;
    with ready_rows as (
      delete from ready where ctid = any (array(
        select r.place from unnest(ids) x(id) join task_state h on h.id = any (array[x.id])
          cross join lateral (select q.ctid as place from ready q where q.queue = h.queue and q.rank = -h.priority and q.flow = coalesce(h.flow, 0) and q.id = h.id offset 0) r)) returning id
    )
    select array_agg(id) into gone from ready_rows;
    found_ids := found_ids || gone;
    -- Of those without rules, and those whose start time is still to come, nothing is moved but by ResumeBatch.
    select array_agg(x.id) into ids from (select unnest(ids) as id except select unnest(found_ids)) x
      cross join lateral (select from task_state h where h.id = x.id and h.lane is not null and coalesce(h.start_time <= clock_timestamp(), true) offset 0) h;
  end loop;
end $$;
