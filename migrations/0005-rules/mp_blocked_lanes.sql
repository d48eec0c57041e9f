-- The lanes of some keys that have something blocked. Of keys that are in many lanes (one limit over all, and one for each of many) it does not look at all
-- of these: where few lanes have something blocked, at those.
create function mp_blocked_lanes(p_keys bigint[]) returns bigint[] language plpgsql as $$
declare
  few constant integer := 200;
  n integer;
  lanes bigint[];
begin
  select count(*), array_agg(distinct x.lane) into n, lanes from (
    select l.lane from unnest(p_keys) k(key) cross join lateral (select q.lane from lane_key q where q.key_id = k.key offset 0) l limit few + 1) x;
  if n > few then
    -- A loose index scan: from each lane that has something to the next.
    with recursive l as (
      (select b.lane, 1 as n from blocked b order by b.lane limit 1)
      union all
      select (select b.lane from blocked b where b.lane > l.lane order by b.lane limit 1), l.n + 1 from l where l.lane is not null and l.n <= few
    )
    select count(lane), array_agg(lane) into n, lanes from l where lane is not null;
    if n <= few then
      return array(select x.lane from unnest(lanes) x(lane) cross join lateral (select q.keys from lane q where q.id = x.lane offset 0) l where l.keys && p_keys);
    end if;
    lanes := array(select distinct l.lane from unnest(p_keys) k(key) cross join lateral (select q.lane from lane_key q where q.key_id = k.key offset 0) l);
  end if;
  return array(select x.lane from unnest(lanes) x(lane) where exists (select from blocked b where b.lane = x.lane offset 0));
end $$;
