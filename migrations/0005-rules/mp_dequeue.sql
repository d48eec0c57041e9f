-- Takes tasks that were PENDING, and that the caller has locked, out of what may start. What was parked first: ResumeBatch, which moves such rows without
-- holding their tasks, is waited for, and then the row is where it has moved it.
create function mp_dequeue(p_ids bigint[]) returns void language plpgsql as $$
begin
  if cardinality(p_ids) > 0 then
    -- In the order in which ResumeBatch takes them.
    perform from (
      select h.batch_id, h.id from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]) order by h.batch_id, h.id
    ) x cross join lateral (select p.id from parked p where p.batch_id = x.batch_id and p.id = x.id offset 0 for update) k;
    delete from parked where ctid = any (array(
      select k.place from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id])
        cross join lateral (select p.ctid as place from parked p where p.batch_id = h.batch_id and p.id = h.id offset 0) k));
    -- What is blocked likewise: who offers it moves it without holding its task.
    perform from (
      select h.lane, -h.priority as rank, h.id from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]) where h.lane is not null order by h.lane, -h.priority, h.id
    ) x cross join lateral (select b.id from blocked b where b.lane = x.lane and b.rank = x.rank and b.id = x.id offset 0 for update) k;
    delete from blocked where ctid = any (array(
      select k.place from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id])
        cross join lateral (select b.ctid as place from blocked b where b.lane = h.lane and b.rank = -h.priority and b.id = h.id offset 0) k));
    delete from ready where ctid = any (array(
      select r.place from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id])
        cross join lateral (select q.ctid as place from ready q where q.queue = h.queue and q.rank = -h.priority and q.id = h.id offset 0) r));
  end if;
end $$;
