-- What a transaction's changes mean for rules, once its tasks and batches are locked: who has left gives back what it held, counts that came make what is held
-- of a capacity smaller, and what may start now is offered or blocked. p: whole arrays. p_fresh: tasks, held by the caller, that it has put into ready without a change.
create function mp_apply_rules(p mp_changes, p_time timestamptz, p_fresh bigint[] default '{}') returns void language plpgsql as $$
declare
  given record;
  freed bigint[];
begin
  with change as materialized (
    select * from unnest(p.task_ids, p.types, p.from_statuses, p.to_statuses) c(id, type, f, t) where c.type in (1, 2, 3, 4, 7)
  ), leaver as (
    select h.place from change c cross join lateral (select q.ctid as place from holder q where q.task_id = c.id offset 0) h
    where c.type <> 4 and c.f in (3, 4) and c.t not in (3, 4)
  ), gone as (
    delete from holder where ctid = any (array(select place from leaver)) returning lane, amount
  ), counted as materialized (
    select h.task_id, h.lane, h.amount, mp_work_left(t.expected_count, s.success_count, s.failure_count) as work_left
    from (select distinct id from change where type = 4) c cross join lateral (select q.task_id, q.lane, q.amount from holder q where q.task_id = c.id offset 0) h
      join task t on t.id = any (array[c.id]) join task_state s on s.id = any (array[c.id])
    where s.status in (3, 4)
  ), shrunk as (
    update holder h set amount = c.work_left from counted c where h.task_id = any (array[c.task_id]) and c.work_left < c.amount
  ), back as (
    select lane, 1 as holders, amount from gone
    union all
    select lane, 0, amount - work_left from counted where work_left < amount
  ), sums as (
    select lane, sum(holders) as holders, sum(amount) as amount from back group by lane
  ), fresh as materialized (
    select h.id, h.lane, c.t from change c join task_state h on h.id = any (array[c.id])
    where c.type <> 4 and (c.t = 2 or (c.f = 2 and c.t not in (3, 4))) and h.lane is not null
    union
    select h.id, h.lane, 2 from unnest(p_fresh) x(id) join task_state h on h.id = any (array[x.id]) where h.lane is not null
  ), tight as materialized (
    -- Where there is room for thousands and nothing is blocked, there is nothing to offer or to block: claims decide. Keys are not locked for that.
    select l.id from (select distinct lane from fresh) x join lane l on l.id = any (array[x.lane])
    where l.has_capacity or exists (select from blocked b where b.lane = l.id)
      or exists (select from unnest(l.keys, l.bounds) k(key, bound) join rule_usage u on u.key_id = any (array[k.key]) where k.bound - u.in_use < 10000)
  )
  select array_agg(lane) as lanes, array_agg(holders::bigint) as holders, array_agg(amount) as amounts,
    (select array_agg(id) from tight) as fresh_lanes, (select array_agg(f.id) from fresh f where f.t = 2 and f.lane in (select id from tight)) as fresh_ids
  into given from sums;
  if given.lanes is null and given.fresh_lanes is null then return; end if;

  -- Nobody changes what these lanes hold, or may take, while it is looked at.
  perform from rule_usage u where u.key_id = any (array(
    select distinct k.key from unnest(given.lanes || given.fresh_lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key))) order by u.key_id for update;
  with share as materialized (
    select k.key, sum(case k.type when 1 then g.holders when 2 then g.amount else 0 end) as taken
    from unnest(given.lanes, given.holders, given.amounts) g(lane, holders, amount) join lane l on l.id = any (array[g.lane])
      cross join lateral unnest(l.keys, l.types) k(key, type) group by k.key
  ), changed as (
    update rule_usage u set in_use = u.in_use - s.taken from share s where s.taken > 0 and u.key_id = any (array[s.key]) returning u.key_id
  )
  select array_agg(key_id) into freed from changed;
  perform mp_offer(array(select distinct lane from unnest(mp_blocked_lanes(freed) || given.fresh_lanes) x(lane)), coalesce(given.fresh_ids, '{}'), p_time);
end $$;
