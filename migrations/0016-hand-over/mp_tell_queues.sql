-- Tells the servers of queues that have something to start, once the transaction has committed; null: of none.
create function mp_tell_queues(p_queues integer[]) returns void language plpgsql as $$
declare
  queues integer[] := array(select distinct q from unnest(p_queues) q order by q);
begin
  if queues <> '{}' then
    -- As servers tell each other; * for any queue: a payload has at most 8,000 bytes.
    perform pg_notify('millpond', 'rules ' || case when cardinality(queues) > 500 then '*' else array_to_string(queues, ',') end);
  end if;
end $$;
