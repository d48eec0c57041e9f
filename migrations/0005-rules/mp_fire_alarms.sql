-- Looks at the lanes of keys whose windows have room again; several servers may do so at once. Answers when the next alarm is due.
create function mp_fire_alarms(out o_next timestamptz) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  rung bigint[];
begin
  with due as materialized (
    select ctid as place from rule_alarm where due <= now_time order by due, key_id limit 1000 for update skip locked
  ), gone as (
    delete from rule_alarm where ctid = any (array(select place from due)) returning key_id
  )
  select array_agg(distinct key_id) into rung from gone;
  perform mp_offer(array(
    select distinct x.lane from unnest(rung) k(key) cross join lateral (select l.lane from lane_key l where l.key_id = k.key offset 0) x
    where exists (select from blocked b where b.lane = x.lane)), '{}', now_time);
  select min(due) into o_next from rule_alarm;
end $$;
