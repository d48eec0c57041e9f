-- Deletes rows of hold of which all tasks have left, and puts off the others: looked at again when they are twice as old, after an hour at the latest. Of a row of many lanes, what is left becomes a row
-- for each. So many at a time; o_more: there are more.
create or replace function mp_sweep_holds(p_max integer, out o_more boolean) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
begin
  with row_due as materialized (
    select h.ctid as place, h.hold_time, h.task_ids, h.lanes is not null as is_of_many from hold h where h.due <= now_time order by h.due limit p_max for update skip locked
  ), alive as materialized (
    select d.place from row_due d where not d.is_of_many and exists (
      select from task_state s where s.id = any (d.task_ids) and s.status in (3, 4) and s.claim_time = d.hold_time offset 0)
  ), gone as (
    delete from hold where ctid = any (array(select place from row_due except select place from alive))
  ), later as (
    update hold h set due = now_time + least(greatest(now_time - h.hold_time, interval '5 seconds'), interval '1 hour') where h.ctid = any (array(select place from alive))
  ), parted as (
    insert into hold (lane, hold_time, task_ids, due)
    select s.held_lane, d.hold_time, array_agg(s.id), now_time + interval '5 seconds' from row_due d cross join lateral (
      select q.id, q.held_lane from task_state q where q.id = any (d.task_ids) and q.status in (3, 4) and q.claim_time = d.hold_time offset 0) s
    where d.is_of_many and s.held_lane is not null group by d.place, d.hold_time, s.held_lane
  )
  select count(*) = p_max into o_more from row_due;
end $$;
