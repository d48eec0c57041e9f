-- Cancels what of a batch has not ended; the caller ends it by mp_append_event (p_stopped). Twice: without the batch's row, as everybody takes tasks
-- before it; then with it, for what was created meanwhile. Answers the former statuses of what it canceled.
create function mp_stop(p_batch bigint, p_reason text, out o_changes mp_changes, out o_from smallint[], out o_ready integer[])
language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  ids bigint[];
  canceled record;
begin
  o_from := '{}';
  o_ready := '{}';
  for pass in 1..2 loop
    if pass = 2 then
      perform from batch_state where batch_id = p_batch for update;
    end if;
    select array_agg(t.id) into ids from task t join task_state h on h.id = any (array[t.id]) where t.batch_id = p_batch and h.status < 6;
    continue when ids is null;
    canceled := mp_cancel(ids, p_reason, true, now_time, o_changes);
    o_changes := canceled.p_changes;
    o_from := o_from || canceled.o_from;
    o_ready := o_ready || canceled.o_ready;
  end loop;
  update batch b set stop_reason = p_reason from batch_state s where b.id = p_batch and s.batch_id = p_batch and s.status in (1, 2);
  update batch_state set open = false where batch_id = p_batch and status in (1, 2);
end $$;
