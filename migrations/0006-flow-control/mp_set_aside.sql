-- Moves what of lanes is blocked, and belongs to held batches, to where ResumeBatch finds it, as far as it comes before everything else: offered, it would be taken out
-- of ready again task by task. ResumeBatch closes the gate of claims: a batch changes sides before this, or after it has committed. Not waited for: then the
-- claims do it. So do they with what is more than some thousands: a transaction must not take longer than a statement may.
create function mp_set_aside(p_lanes bigint[]) returns void language plpgsql as $$
declare
  look integer := 10;
  moved integer;
  moved_most constant integer := 10000;
  total integer := 0;
begin
  if not pg_try_advisory_xact_lock_shared(7710, 1) then return; end if;
  loop
    with head as materialized (
      select b.lane, b.rank, b.id, b.batch_id from unnest(p_lanes) x(lane) cross join lateral (
        select q.lane, q.rank, q.id, q.batch_id from blocked q where q.lane = x.lane order by q.rank, q.id limit look offset 0) b
    ), held as materialized (
      select b.place, head.lane, head.rank, head.id, head.batch_id from head cross join lateral (
        select q.ctid as place from blocked q where q.lane = head.lane and q.rank = head.rank and q.id = head.id offset 0 for update skip locked) b
      where exists (select from paused_batch p where p.batch_id = head.batch_id offset 0)
    ), gone as (
      delete from blocked where ctid = any (array(select place from held)) returning lane, rank, id, batch_id
    ), kept as (
      insert into parked (batch_id, id, queue, rank, flow, lane)
      select gone.batch_id, gone.id, l.queue, gone.rank, l.flow, gone.lane from gone cross join lateral (select q.queue, q.flow from lane q where q.id = gone.lane offset 0) l on conflict do nothing
    )
    select count(*) into moved from gone;
    total := total + moved;
    exit when moved = 0 or total >= moved_most;
    look := least(look * 8, moved_most);
  end loop;
end $$;
