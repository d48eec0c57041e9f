-- Keeps who was let in, and under which lane (null: tasks without rules, which hold nothing): a row for each lane, or one for all where there are many. p_lanes_count: how many lanes there are.
create function mp_keep_holds(p_ids bigint[], p_lanes bigint[], p_lanes_count integer, p_time timestamptz) returns void language plpgsql as $$
declare
  few constant integer := 8;
begin
  if p_lanes_count <= few then
    insert into hold (lane, hold_time, task_ids, due)
    select x.lane, p_time, array_agg(x.id), p_time + interval '5 seconds' from unnest(p_ids, p_lanes) x(id, lane) where x.lane is not null group by x.lane;
  elsif array_position(p_lanes, null) is null then
    insert into hold (lane, hold_time, task_ids, lanes, due) values (0, p_time, p_ids, p_lanes, p_time + interval '2 seconds');
  else
    insert into hold (lane, hold_time, task_ids, lanes, due)
    select 0, p_time, array_agg(x.id), array_agg(x.lane), p_time + interval '2 seconds' from unnest(p_ids, p_lanes) x(id, lane) where x.lane is not null;
  end if;
end $$;
