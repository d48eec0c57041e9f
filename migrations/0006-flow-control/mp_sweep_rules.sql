-- Offers what is blocked although there is room for it: what a transaction that was rolled back, or passed over, has left. Looks at the lanes after p_after, so
-- many at a time; answers the last of them, null where there is none left.
create function mp_sweep_rules(p_after bigint, p_max integer, out o_last bigint) language plpgsql as $$
declare
  lanes bigint[];
begin
  -- A loose index scan: from each lane that has something to the next.
  with recursive l as (
    (select b.lane, 1 as n from blocked b where b.lane > p_after order by b.lane limit 1)
    union all
    select (select b.lane from blocked b where b.lane > l.lane order by b.lane limit 1), l.n + 1 from l where l.lane is not null and l.n < p_max
  )
  select array_agg(lane), case when count(lane) = p_max then max(lane) end into lanes, o_last from l where lane is not null;
  perform mp_offer('{}', '{}', clock_timestamp(), array(
    select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)));
end $$;
