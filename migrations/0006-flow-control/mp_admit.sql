-- Decides which of some tasks that a claim has locked their rules let in, in the order given, all or nothing for each; blocks the others. What those let in take is written when
-- their change is (mp_apply_rules), but for starts under rates.
-- p_lanes: of each task. Locks batches, then keys (o_keys). Answers who is let in, in that order, and who is not; and the time of their starts, which is that of the
-- window of a rate: taken when nothing is left to wait for.
create function mp_admit(p_ids bigint[], p_lanes bigint[], out o_ids bigint[], out o_blocked bigint[], out o_time timestamptz, out o_keys bigint[]) language plpgsql as $$
declare
  used numeric[];
  bounds_fit boolean;
  c record;
  fits boolean;
  place integer;
begin
  o_blocked := '{}';
  perform from batch_state b where b.batch_id = any (array(select h.batch_id from unnest(p_ids) x(id) join task_state h on h.id = any (array[x.id]))) order by b.batch_id for update;
  o_keys := array(
    select distinct k.key from (select distinct x.lane from unnest(p_lanes) x(lane)) x join lane l on l.id = any (array[x.lane]) cross join lateral unnest(l.keys) k(key) order by k.key);
  perform from rule_usage u where u.key_id = any (o_keys) order by u.key_id for update;
  o_time := clock_timestamp();
  -- Starts that have left their windows.
  with old as (
    delete from rate_start where ctid = any (array(
      select s.place from unnest(o_keys) x(key) join rule_key k on k.id = any (array[x.key]) cross join lateral (
        select r.ctid as place from rate_start r where r.key_id = k.id and r.start_time <= o_time - k.window_ms * interval '1 millisecond' offset 0) s
      where k.window_ms > 0)) returning key_id, starts
  )
  update rule_usage u set in_use = u.in_use - o.starts from (select key_id, sum(starts)::bigint as starts from old group by key_id) o where u.key_id = any (array[o.key_id]);

  -- All of them, if there is room for all.
  with want as materialized (
    select x.lane, count(*) as holders, sum(case when l.has_capacity then (
      select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[x.id])) end) as work
    from unnest(p_ids, p_lanes) x(id, lane) join lane l on l.id = any (array[x.lane]) group by x.lane
  ), share as materialized (
    select k.key, k.type, min(k.bound) as bound, sum(w.holders) as holders, sum(w.work) as work
    from want w join lane l on l.id = any (array[w.lane]) cross join lateral unnest(l.keys, l.types, l.bounds) k(key, type, bound) group by k.key, k.type order by k.key
  ), fit as (
    select bool_and(case when s.type = 2 then u.in_use < s.bound and (s.holders = 1 or u.in_use + s.work < s.bound) else u.in_use + s.holders <= s.bound end) as all_fit
    from share s join rule_usage u on u.key_id = any (array[s.key])
  )
  select coalesce(all_fit, true) into bounds_fit from fit;
  if bounds_fit then
    o_ids := p_ids;
  else
    o_ids := '{}';
    used := array(select u.in_use from unnest(o_keys) with ordinality k(key, n) join rule_usage u on u.key_id = any (array[k.key]) order by k.n);
    for c in
      select x.id, l.keys, l.types, l.bounds, case when l.has_capacity then (
        select mp_work_left(t.expected_count, h.success_count, h.failure_count) from task t join task_state h on h.id = any (array[t.id]) where t.id = any (array[x.id])) end as work_left
      from unnest(p_ids, p_lanes) with ordinality x(id, lane, n) left join lane l on l.id = any (array[x.lane]) order by x.n
    loop
      fits := true;
      for n in 1 .. coalesce(cardinality(c.keys), 0) loop
        fits := fits and used[array_position(o_keys, c.keys[n])] < c.bounds[n];
      end loop;
      if fits then
        o_ids := o_ids || c.id;
        for n in 1 .. coalesce(cardinality(c.keys), 0) loop
          place := array_position(o_keys, c.keys[n]);
          used[place] := used[place] + case when c.types[n] = 2 then c.work_left else 1 end;
        end loop;
      else
        o_blocked := o_blocked || c.id;
      end if;
    end loop;
    insert into blocked (lane, rank, id, batch_id, block_time)
    select h.lane, -h.priority, h.id, h.batch_id, o_time from unnest(o_blocked) x(id) join task_state h on h.id = any (array[x.id]) on conflict do nothing;
  end if;

  with share as materialized (
    select k.key, count(*)::integer as starts from unnest(o_ids) x(id) join task_state h on h.id = any (array[x.id]) join lane l on l.id = any (array[h.lane])
      cross join lateral unnest(l.keys, l.types) k(key, type) where 3 = any (l.types) and k.type = 3 group by k.key order by k.key
  ), started as (
    insert into rate_start (key_id, start_time, starts) select key, o_time, starts from share
  )
  update rule_usage u set in_use = u.in_use + s.starts from share s where u.key_id = any (array[s.key]);
end $$;
