-- Which lanes of some keys, in which there may be room, are to be offered, and how many tasks of each at most (null: as many as there is room for). Where one lane of a queue waits for a key, or few do that take turns, all of them:
-- then claims decide. Where more do, those whose tasks come first, and no more tasks than the key has room for: by priority, then in turns by fairness_key and weight (who begins is drawn),
-- then in the order of creation. Lanes that another key holds back are passed over. Of keys of capacity, the sizes of tasks decide: all lanes.
-- o_waiting: a lane of each rate that is full and that something waits for.
-- o_whole: there is no room left that some other task of these lanes could have been offered, too: so many are not looked at.
-- What is in ready already is not counted: of a key, up to twice as much may be offered as fits; claims turn down the rest.
create function mp_choose_lanes(p_keys bigint[], p_time timestamptz, out o_lanes bigint[], out o_most integer[], out o_waiting bigint[], out o_whole boolean) language plpgsql as $$
declare
  few integer := 1;
  offered_max constant integer := 1000;
  lanes bigint[];
begin
  o_lanes := '{}';
  o_whole := true;
  if coalesce(cardinality(p_keys), 0) = 0 or not exists (select from blocked) then return; end if;
  lanes := mp_blocked_lanes(p_keys);
  if cardinality(lanes) > 1 and exists (select from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) where l.flow <> 0) then
    -- Claims take turns more evenly.
    few := 8;
  end if;
  if cardinality(lanes) <= few then
    o_lanes := lanes;
    o_most := array_fill(null::integer, array[cardinality(lanes)]);
    return;
  end if;
  if exists (select from paused_batch) then
    -- What is held is not offered, and must not be chosen in the place of what may start.
    perform mp_set_aside(lanes);
  end if;
  with pair as materialized (
    select p.*, least(p.bound_max - mp_taken(p.key, p.window_ms, u.in_use, p_time), offered_max)::integer as room from (
      select k.key, k.type, k.window_ms, l.id as lane, l.queue, l.flow, count(*) over (partition by k.key, l.queue) as n, max(k.bound) over (partition by k.key, l.queue) as bound_max
      from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys, l.types, l.bounds, l.windows) k(key, type, bound, window_ms) where k.key = any (p_keys)
    ) p join rule_usage u on u.key_id = any (array[p.key])
  ), head as materialized (
    select p.key, p.queue, p.room, p.lane, p.flow, b.rank, b.id, coalesce((select f.weight from flow f where f.id = p.flow), 1) as weight
    from pair p cross join lateral (select b.rank, b.id from blocked b where b.lane = p.lane order by b.rank, b.id limit 1) b
    where p.room > 0 and p.n > few and p.type <> 2
  ), able as materialized (
    select h.*, row_number() over (partition by h.key, h.queue order by h.rank, h.turn, h.chance) as place, count(*) over (partition by h.key, h.queue) as n from (
      select h.*, own.room as own_room, (row_number() over (partition by h.key, h.queue, h.rank, h.flow order by h.id) - 1) / h.weight as turn, random() as chance
      from head h cross join lateral (
        select least(min(k.bound - mp_taken(k.key, k.window_ms, u.in_use, p_time)), offered_max)::integer as room
        from lane l cross join lateral unnest(l.keys, l.bounds, l.windows) k(key, bound, window_ms) join rule_usage u on u.key_id = any (array[k.key]) where l.id = any (array[h.lane])) own
      where own.room > 0
    ) h
  ), task as (
    select a.key, a.queue, a.room, a.lane, greatest(16, 4 * a.room / a.n) < least(a.own_room, a.room) as is_cut, b.rank, (row_number() over (partition by a.key, a.queue, b.rank, a.flow order by b.id) - 1) / a.weight as turn, a.chance
    from able a cross join lateral (
      select b.rank, b.id from blocked b where b.lane = a.lane order by b.rank, b.id limit least(a.own_room, a.room, greatest(16, 4 * a.room / a.n))) b
    where a.place <= a.room
  ), picked as materialized (
    select t.key, t.queue, t.lane, t.room, t.is_cut, row_number() over (partition by t.key, t.queue order by t.rank, t.turn, t.chance) as n from task t
  ), chosen as (
    select p.lane, null::integer as most from pair p where p.type = 2 or (p.room > 0 and p.n <= few)
    union all
    select p.lane, count(*)::integer from picked p where p.n <= p.room group by p.lane
  )
  select coalesce(array_agg(c.lane), '{}'), array_agg(c.most), (select array_agg(w.lane) from (select min(p.lane) as lane from pair p where p.type = 3 and p.room <= 0 group by p.key) w),
    not exists (select from picked p group by p.key, p.queue, p.room having bool_or(p.is_cut) and count(*) < p.room)
  into o_lanes, o_most, o_waiting, o_whole from (select c.lane, case when bool_or(c.most is null) then null else max(c.most) end as most from chosen c group by c.lane) c;
end $$;
