-- Locks tasks in the order in which everybody does: those that are owned, those that wait, those that have ended, each by id. Again, where one changed
-- sides meanwhile. p_share: those that have ended are only kept from being retried.
create function mp_lock_tasks(p_ids bigint[], p_share boolean) returns void language plpgsql as $$
declare
  locked bigint[];
begin
  loop
    select coalesce(array_agg(id), '{}') into locked from (
      select h.id from task_state h where h.id = any (p_ids) and h.status < 6 order by h.status in (1, 5), h.id for update
    ) living;
    if p_share then
      perform from task_state h where h.id = any (p_ids) and h.status > 5 order by h.id for share;
    else
      perform from task_state h where h.id = any (p_ids) and h.status > 5 order by h.id for update;
    end if;
    exit when not exists (select h.id from task_state h where h.id = any (p_ids) and h.status < 6 except select unnest(locked));
  end loop;
end $$;
