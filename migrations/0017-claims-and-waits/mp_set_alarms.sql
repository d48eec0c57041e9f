-- Has lanes looked at again when the window of a rate that is full has room, where a task waits for it.
create or replace function mp_set_alarms(p_lanes bigint[], p_time timestamptz) returns void language plpgsql as $$
declare
  soonest timestamptz;
begin
  with alarm as (
    insert into rule_alarm (due, key_id)
    select a.due, k.key from (
      select distinct k.key, k.window_ms, k.bound from unnest(p_lanes) x(id) join lane l on l.id = any (array[x.id])
        cross join lateral unnest(l.keys, l.windows, l.bounds) k(key, window_ms, bound)
      where k.window_ms > 0 and exists (select from blocked b where b.lane = l.id offset 0)
    ) k join rule_usage u on u.key_id = any (array[k.key]) cross join lateral (
      select min(s.start_time) + k.window_ms * interval '1 millisecond' as due from rate_start s
      where s.key_id = k.key and s.start_time > p_time - k.window_ms * interval '1 millisecond'
    ) a
    where mp_taken(k.key, k.window_ms, u.in_use, p_time) >= k.bound and a.due is not null
    order by k.key, a.due on conflict do nothing returning due
  )
  select min(due) into soonest from alarm;
  if soonest is not null then
    perform mp_tell_timers(soonest);
  end if;
end $$;
