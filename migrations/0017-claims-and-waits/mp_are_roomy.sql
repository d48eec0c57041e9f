-- As mp_have_room, of lanes with an element for each task.
create or replace function mp_are_roomy(p_lanes bigint[]) returns boolean language plpgsql stable as $$
declare
  given record;
begin
  select array_agg(g.lane) as lanes, array_agg(g.n) as counts into given from (
    select x.lane, count(*) as n from unnest(p_lanes) x(lane) where x.lane is not null group by x.lane) g;
  return mp_have_room(given.lanes, given.counts);
end $$;
