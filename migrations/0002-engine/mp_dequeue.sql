-- Takes tasks that were PENDING, and that the caller has locked, out of what may start. What was parked first: ResumeBatch, which moves such rows without
-- holding their tasks, is waited for, and then the row is where it has moved it.
create function mp_dequeue(p_ids bigint[]) returns void language plpgsql as $$
begin
  if cardinality(p_ids) > 0 then
    delete from parked where ctid = any (array(
      select k.ctid from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]) join parked k on k.batch_id = any (array[h.batch_id]) and k.id = h.id));
    delete from ready where ctid = any (array(
      select r.ctid from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id])
        join ready r on r.queue = any (array[h.queue]) and r.rank = -h.priority and r.id = h.id));
  end if;
end $$;
