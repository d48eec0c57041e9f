-- Looks at the lanes of keys whose windows have room again; several servers may do so at once. Answers when the next alarm is due.
-- Alarms go last, when keys and lanes are locked: a task that is blocked meanwhile, and found its alarm set, is seen.
create or replace function mp_fire_alarms(out o_next timestamptz) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  places tid[];
  rung bigint[];
begin
  select array_agg(a.place), array_agg(distinct a.key_id) into places, rung from (
    select ctid as place, key_id from rule_alarm where due <= now_time order by due, key_id limit 1000 for update skip locked) a;
  if places is not null then
    perform from rule_usage u where u.key_id = any (rung) order by u.key_id for update;
    perform mp_offer('{}', '{}', clock_timestamp(), rung);
    delete from rule_alarm where ctid = any (places);
  end if;
  -- Not min(): see mp_fire_timers.
  o_next := (select a.due from rule_alarm a order by a.due limit 1);
end $$;
