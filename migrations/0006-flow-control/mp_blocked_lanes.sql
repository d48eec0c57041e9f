-- The lanes of some keys that have something blocked. Of keys that are in many lanes (one limit over all, and one for each of many) it does not look at all
-- of these, as long as only some thousands of lanes have something blocked: then at those.
create function mp_blocked_lanes(p_keys bigint[]) returns bigint[] language plpgsql as $$
declare
  few constant integer := 200;
  many constant integer := 5000;
  n integer;
  lanes bigint[];
begin
  select count(*), array_agg(distinct x.lane) into n, lanes from (
    select l.lane from unnest(p_keys) k(key) cross join lateral (select q.lane from lane_key q where q.key_id = k.key offset 0) l limit few + 1) x;
  if n > few then
    -- A loose index scan: from each lane that has something to the next.
    with recursive l as (
      (select b.lane, 1 as place from blocked b order by b.lane limit 1)
      union all
      select (select b.lane from blocked b where b.lane > l.lane order by b.lane limit 1), l.place + 1 from l where l.lane is not null and l.place <= many
    )
    select count(lane), array_agg(lane) into n, lanes from l where lane is not null;
    if n <= many then
      return array(select x.lane from unnest(lanes) x(lane) cross join lateral (select q.keys from lane q where q.id = x.lane offset 0) l where l.keys && p_keys);
    end if;
    lanes := array(select distinct l.lane from unnest(p_keys) k(key) cross join lateral (select q.lane from lane_key q where q.key_id = k.key offset 0) l);
  end if;
  return array(select x.lane from unnest(lanes) x(lane) where exists (select from blocked b where b.lane = x.lane offset 0));
end $$;
