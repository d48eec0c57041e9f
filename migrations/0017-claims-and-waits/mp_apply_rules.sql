-- What a transaction's changes mean for rules, once its tasks and batches are locked: who was let in takes what it holds (of rates: mp_admit), who has left gives it back, counts
-- that came make what is held of a capacity smaller, and what may start now is offered or blocked. p: whole arrays. p_fresh: tasks, held by the caller, that it has
-- put into ready without a change. p_moves: who came and who left, where the caller knows; null: it is found out. p_admitted: mp_admit has let in those who come. Others take what there seemed to be room for: raises MP006 where that is gone.
-- p_quietly: as mp_offer has it. Answers what may start by this: what has been offered, with its queues, of which lanes, and whether that is whole (mp_offer); what was fresh, which may be blocked now;
-- and the keys that the transaction has locked. Null: none.
create or replace function mp_apply_rules(p mp_changes, p_time timestamptz, p_fresh bigint[] default '{}', p_admitted boolean default false,
  p_moves mp_moves default null, p_quietly boolean default false, out o_offered bigint[], out o_queues integer[], out o_lanes bigint[], out o_whole boolean, out o_fresh bigint[], out o_keys bigint[]) language plpgsql as $$
declare
  given record;
  totals record;
  booked record;
  told boolean := p_moves is not null;
begin
  if told and p is null and p_fresh = '{}' then
    -- All is known: who claims, reports and starts what is created says it.
    select (p_moves).lanes as lanes, (p_moves).holders as holders, (p_moves).amounts as amounts, null::bigint[] as fresh_lanes, null::bigint[] as left_lanes, null::bigint[] as fresh_ids into given;
  else
    with change as materialized (
      select c.id, c.type, c.f, c.t, h.lane, h.held_lane, h.held_amount, h.status, h.success_count, h.failure_count
      from unnest(p.task_ids, p.types, p.from_statuses, p.to_statuses) c(id, type, f, t) join task_state h on h.id = any (array[c.id])
      where c.type in (1, 2, 3, 4, 7) and (not told or c.type = 4 or c.t = 2 or (c.f = 2 and c.t not in (3, 4))) and (h.lane is not null or h.held_lane is not null)
    ), counted as materialized (
      select c.id, c.held_lane, c.held_amount, mp_work_left(t.expected_count, c.success_count, c.failure_count) as work_left
      from (select distinct id, held_lane, held_amount, success_count, failure_count from change where type = 4 and status in (3, 4) and held_lane is not null and held_amount is not null) c
        join task t on t.id = any (array[c.id])
    ), shrunk as (
      update task_state h set held_amount = c.work_left from counted c where h.id = any (array[c.id]) and c.work_left < c.held_amount
    ), taken as (
      select held_lane as lane, case when t in (3, 4) then 1 else -1 end as holders, case when t in (3, 4) then held_amount else -held_amount end as amount
      from change where not told and type <> 4 and held_lane is not null and (f in (3, 4)) <> (t in (3, 4))
      union all
      select m.lane, m.holders, m.amount from unnest((p_moves).lanes, (p_moves).holders, (p_moves).amounts) m(lane, holders, amount)
      union all
      select held_lane, 0, work_left - held_amount from counted where work_left < held_amount
    ), sums as (
      select lane, sum(holders) as holders, coalesce(sum(amount), 0) as amount from taken group by lane
    ), fresh as materialized (
      select id, lane, t from change where type <> 4 and (t = 2 or (f = 2 and t not in (3, 4))) and lane is not null
      union
      select h.id, h.lane, 2 from unnest(p_fresh) x(id) join task_state h on h.id = any (array[x.id]) where h.lane is not null
    ), tight as materialized (
      select unnest(mp_tight_lanes(array(select distinct lane from fresh))) as id
    )
    select array_agg(lane) as lanes, array_agg(holders::bigint) as holders, array_agg(amount) as amounts,
      (select array_agg(id) from tight) as fresh_lanes, (select array_agg(distinct f.lane) from fresh f where f.t <> 2 and (f.lane in (select id from tight)) is true) as left_lanes,
      -- "is true" has it hashed: joined, two lists of thousands would be compared all with all.
      (select array_agg(f.id) from fresh f where f.t = 2 and (f.lane in (select id from tight)) is true) as fresh_ids
    into given from sums;
  end if;
  if coalesce(cardinality(given.lanes), 0) = 0 and given.fresh_lanes is null then return; end if;

  if given.fresh_lanes is not null then
    -- Nobody changes what these keys hold, or what of lanes may start, while it is looked at. Where there is nothing to look at, they are locked as they are changed: in the order of
    -- keys, too, be it of the list or of the primary key (connections that write do without plans that would not keep it).
    o_keys := array(select distinct k.key from unnest(given.lanes || given.fresh_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key));
    perform from rule_usage u where u.key_id = any (o_keys) order by u.key_id for update;
  end if;
  -- The arrays of lanes are unnested in a list of columns: of arrays in FROM, each lane's are written to a store of their own first.
  select array_agg(s.key) filter (where s.holders <> 0) as keys, array_agg(s.holders) filter (where s.holders <> 0) as holders, array_agg(s.bound) filter (where s.holders <> 0) as bounds,
    array_agg(s.key) filter (where s.holders < 0) as freed, bool_or(s.type <> 1) as has_amounts
  into totals from (
    select k.key, k.type, min(k.bound) as bound, sum(k.holders) as holders from (
      select unnest(l.keys) as key, unnest(l.types) as type, unnest(l.bounds) as bound, g.holders
      from unnest(given.lanes, given.holders::integer[]) g(lane, holders) join lane l on l.id = any (array[g.lane])
    ) k where k.type <> 3 group by k.key, k.type order by k.key
  ) s;
  if totals.has_amounts then
    with share as materialized (
      select s.key, s.type, s.bound, s.holders, s.amount from (
        select k.key, k.type, min(k.bound) as bound, sum(k.holders) as holders, sum(case k.type when 1 then k.holders else k.amount end) as amount from (
          select unnest(l.keys) as key, unnest(l.types) as type, unnest(l.bounds) as bound, g.holders, g.amount
          from unnest(given.lanes, given.holders, given.amounts) g(lane, holders, amount) join lane l on l.id = any (array[g.lane])
        ) k where k.type <> 3 group by k.key, k.type
      ) s where s.amount <> 0 order by s.key
    ), changed as (
      update rule_usage u set in_use = u.in_use + s.amount from share s where u.key_id = any (array[s.key])
      returning u.key_id, s.amount, s.amount > 0 and case when s.type = 2 then u.in_use - s.amount >= s.bound or (s.holders > 1 and u.in_use >= s.bound) else u.in_use > s.bound end as exceeds
    )
    select array_agg(key_id) filter (where amount < 0) as freed, bool_or(exceeds) as exceeds into booked from changed;
  else
    -- Of concurrency alone: one walk along the keys, each of which finds its place in the list by halving, is half the time of a look for each.
    with changed as (
      update rule_usage u set in_use = u.in_use + totals.holders[width_bucket(u.key_id, totals.keys)] where u.key_id = any (totals.keys) returning u.key_id, u.in_use
    )
    select totals.freed as freed, bool_or(c.in_use > totals.bounds[width_bucket(c.key_id, totals.keys)] and totals.holders[width_bucket(c.key_id, totals.keys)] > 0) as exceeds
    into booked from changed c;
  end if;
  if booked.exceeds and not p_admitted then
    raise exception using errcode = 'MP006', message = 'a rule has no room any more';
  end if;
  -- What is not put into ready here may only be blocked already.
  if given.fresh_lanes is null and not exists (select from blocked) then return; end if;
  select * into o_offered, o_queues, o_lanes, o_whole from mp_offer(coalesce(given.fresh_lanes, '{}'), coalesce(given.fresh_ids, '{}'), p_time, booked.freed || array(
    select distinct k.key from unnest(given.left_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key)), '{}', p_quietly);
  o_fresh := given.fresh_ids;
  o_keys := coalesce(o_keys, booked.freed);
end $$;
