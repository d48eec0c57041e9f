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
    delete from ready where ctid = any (array(
      select r.place from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id])
        cross join lateral (select q.ctid as place from ready q where q.queue = h.queue and q.rank = -h.priority and q.id = h.id offset 0) r));
  end if;
end $$;
