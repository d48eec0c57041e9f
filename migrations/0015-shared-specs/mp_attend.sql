-- What follows from the ends of tasks in some batches, beside the settling of edges: their webhooks, the word to executors that are to stop, the stop
-- of a batch whose critical task failed, and the look at parents that are only there for their dependents.
create or replace function mp_attend(p mp_changes, p_batches bigint[], out o_follow_ups bigint[], out o_wake boolean) language plpgsql as $$
declare
  now_time timestamptz := clock_timestamp();
  told integer;
begin
  with change as materialized (
    select h.id, h.batch_id, c.type, c.f, c.t, c.attempt, h.execution, h.notifies, h.critical, h.serves,
      -- The start call of an attempt that nobody has confirmed may be under way: what tells of its end waits until that is over (mp_end_starts), at most as long as it may take:
      -- the start_timeout, and never longer than 15 minutes (startCallMsMax of src/server/webhook-starts.ts), should its server have died.
      case when h.execution = 2 and c.f = 3 and (c.t = 8 or exists (select from task_attempt a where a.task_id = h.id and a.attempt = c.attempt and a.cause in (3, 4, 5, 6))) then
        h.claim_time + least(h.start_timeout_ms, 900000) * interval '1 millisecond' end as start_until
    from unnest(p.task_ids, p.batch_ids, p.types, p.from_statuses, p.to_statuses, p.attempts) c(id, batch_id, type, f, t, attempt)
      join task_state h on h.id = any (array[c.id])
    where c.batch_id = any (p_batches) and c.type in (2, 3, 7) and (c.t > 5 or (c.t = 2 and c.type = 3))
  ), notice as (
    select id, batch_id, t - 5 as trigger, n as position, attempt, start_until, null::text as webhook
    from change cross join lateral generate_series(0, ((notifies >> ((t - 6) * 5)) & 31) - 1) n where t between 6 and 8
    union all
    -- An attempt of a webhook's receiver that was canceled or timed out: what the receiver asked for is called, or else what follows a cancellation.
    select c.id, c.batch_id, case when a.cancel_webhook is null then 3 else 5 end, n, c.attempt, c.start_until, a.cancel_webhook
    from change c left join task_attempt a on a.task_id = any (array[c.id]) and a.attempt = c.attempt
      cross join lateral generate_series(0, case when a.cancel_webhook is not null then 0 when c.t = 8 then -1 else ((c.notifies >> 10) & 31) - 1 end) n
    where c.execution = 2 and c.f in (3, 4) and (c.t = 8 or (c.type = 3 and a.cause in (3, 4, 5, 6)))
  ), written as (
    insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, host, due, create_time, webhook)
    select n.batch_id, n.id, t.namespace_id, n.trigger, n.position, n.attempt,
      coalesce(mp_delivery_host(n.trigger::smallint, n.position::smallint, coalesce(n.webhook,
        case when t.spec_id is null then t.spec else (select s.spec from shared_spec s where s.batch_id = t.batch_id and s.id = t.spec_id) end)), ''), greatest(now_time, n.start_until), now_time, n.webhook
    from notice n join task t on t.id = any (array[n.id]) returning due <= now_time as is_due
  ), noted as (
    insert into follow_up (kind, task_ids)
    select 1, array_agg(id) from change where critical and t = 7 group by batch_id
    union all
    select 2, array_agg(id) from change where serves and t > 5 having count(*) > 0
    returning id
  )
  select (select coalesce(array_agg(id), '{}') from noted), (select count(*) from written where is_due) into o_follow_ups, told;
  o_wake := told > 0;
end $$;
