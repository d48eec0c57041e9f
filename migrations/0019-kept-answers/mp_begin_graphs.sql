-- Begins a transaction that creates graphs in new batches. Where one of the request_ids has been answered before, o_answered holds those that have, and
-- nothing is to be written.
create or replace function mp_begin_graphs(p_namespace integer, p_request_ids text[], out o_answered text[], out o_time timestamptz) language plpgsql as $$
declare
  outdated text[];
begin
  if p_request_ids is not null then
    select array_agg(r.request_id) filter (where r.is_kept), array_agg(r.request_id) filter (where not r.is_kept) into o_answered, outdated from (
      select request_id, create_time >= now() - interval '24 hours' as is_kept from request where namespace_id = p_namespace and request_id = any (p_request_ids)) r;
    if o_answered is not null then return; end if;
    if outdated is not null then
      -- Not by the index of create_time, as in mp_find_request.
      delete from request where namespace_id = p_namespace and request_id = any (outdated) and create_time + interval '24 hours' < now();
    end if;
  end if;
  -- Kinds get a new shape of deduplication while no create is under way.
  perform pg_advisory_xact_lock_shared(7710, 2);
  o_time := clock_timestamp();
end $$;
