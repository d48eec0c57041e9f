-- Tells the servers, once the transaction has committed, that a timer or an alarm is due sooner than they look by themselves, every half second (timersPollMs of src/maintenance/loops.ts).
-- Not where something else is due before: after that they look anyway.
create function mp_tell_timers(p_due timestamptz) returns void language plpgsql as $$
begin
  if p_due < clock_timestamp() + interval '500 milliseconds' and not exists (select from timer t where t.due < p_due) and not exists (select from rule_alarm a where a.due < p_due) then
    perform pg_notify('millpond', 'timers');
  end if;
end $$;
