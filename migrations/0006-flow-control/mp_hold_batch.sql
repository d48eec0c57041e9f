-- PauseBatch (p_hold) and ResumeBatch. Raises MP001 (no such batch) and MP004 (it has ended; detail: its status). The gate is closed to claims while the
-- batch changes sides: none that began before starts anything of it afterwards. What is held is moved out of ready by the claims that meet it.
-- A request_id that has been answered gets that answer again, with its hash.
create function mp_hold_batch(p_namespace integer, p_request_id text, p_hash bytea, p_batch bigint, p_hold boolean,
  out o_batch jsonb, out o_ready integer[], out o_replayed_hash bytea) language plpgsql as $$
declare
  was smallint;
  lanes bigint[];
begin
  o_ready := '{}';
  select * into o_batch, o_replayed_hash from mp_find_request(p_namespace, p_request_id);
  if o_batch is not null then return; end if;
  perform from batch where id = p_batch and namespace_id = p_namespace;
  if not found then
    raise exception using errcode = 'MP001', message = 'no such batch';
  end if;
  -- First the gate of transactions that hand over what they make ready: these may wait for others. Then that of claims, which wait for nobody.
  perform pg_advisory_xact_lock(7710, 3);
  perform pg_advisory_xact_lock(7710, 1);
  if not p_hold then
    -- Before the batch's row, as who cancels or edits a task takes them.
    with freed as (
      delete from parked where batch_id = p_batch returning queue, rank, flow, id, lane
    ), queued as (
      insert into ready (queue, rank, flow, id) select queue, rank, flow, id from freed where lane is null on conflict do nothing
    ), kept as (
      -- From there as many are offered as there is room for.
      insert into blocked (lane, rank, id, batch_id, block_time) select lane, rank, id, p_batch, clock_timestamp() from freed where lane is not null on conflict do nothing
    )
    select coalesce(array_agg(distinct queue), '{}'), array_agg(distinct lane) filter (where lane is not null) into o_ready, lanes from freed;
  end if;
  select status into was from batch_state where batch_id = p_batch for update;
  if was > 2 then
    raise exception using errcode = 'MP004', message = 'the batch has ended', detail = was::text;
  end if;
  if (was = 1) = p_hold then
    if p_hold then
      insert into paused_batch (batch_id) values (p_batch);
    else
      delete from paused_batch where batch_id = p_batch;
    end if;
    update batch_state set status = 3 - was, prior_status = status where batch_id = p_batch;
  end if;
  if lanes is not null then
    perform from rule_usage u where u.key_id = any (array(
      select distinct k.key from unnest(lanes) x(id) join lane l on l.id = any (array[x.id]) cross join lateral unnest(l.keys) k(key))) order by u.key_id for update;
    perform mp_offer(lanes, '{}', clock_timestamp());
  end if;
  -- The number of the event is drawn when no lock is left to take.
  if (was = 1) = p_hold then
    perform mp_append_event(row(array[5::smallint], array[p_batch], array[0::bigint], array[was], array[(3 - was)::smallint],
      array[0], array[0], array[0], null, null)::mp_changes);
  end if;
  o_batch := mp_batch_json(p_batch);
  perform mp_keep_request(p_namespace, p_request_id, p_hash, o_batch);
end $$;
