-- Deletes rows of hold of which all tasks have left, and puts off the others: looked at again when they are twice as old, after an hour at the latest. So many at a time; o_more: there are more.
create function mp_sweep_holds(p_max integer, out o_more boolean) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
begin
  with row_due as materialized (
    select h.ctid as place, h.hold_time, h.task_ids from hold h where h.due <= now_time order by h.due limit p_max for update skip locked
  ), alive as materialized (
    select d.place from row_due d where exists (
      select from unnest(d.task_ids) x(id) cross join lateral (select from task_state s where s.id = x.id and s.status in (3, 4) and s.claim_time = d.hold_time offset 0) s)
  ), gone as (
    delete from hold where ctid = any (array(select place from row_due except select place from alive))
  ), later as (
    update hold h set due = now_time + least(greatest(now_time - h.hold_time, interval '5 seconds'), interval '1 hour') where h.ctid = any (array(select place from alive))
  )
  select count(*) = p_max into o_more from row_due;
end $$;
