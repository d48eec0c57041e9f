-- Begins a transaction that creates graphs in new batches. Where one of the request_ids has been answered before, o_answered holds those that have, and
-- nothing is to be written.
create function mp_begin_graphs(p_namespace integer, p_request_ids text[], out o_answered text[], out o_time timestamptz) language plpgsql as $$
begin
  if p_request_ids is not null then
    delete from request where namespace_id = p_namespace and request_id = any (p_request_ids) and create_time < now() - interval '24 hours';
    select array_agg(request_id) into o_answered from request where namespace_id = p_namespace and request_id = any (p_request_ids);
    if o_answered is not null then return; end if;
  end if;
  -- Kinds get a new shape of deduplication while no create is under way.
  perform pg_advisory_xact_lock_shared(7710, 2);
  o_time := clock_timestamp();
end $$;
