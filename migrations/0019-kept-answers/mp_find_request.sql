-- The answer that a request_id got within the last 24 h, and the hash of that call; both null where there is none.
create or replace function mp_find_request(p_namespace integer, p_request_id text, out o_result jsonb, out o_hash bytea) language plpgsql as $$
declare
  is_outdated boolean;
begin
  if p_request_id is null then return; end if;
  select case when result ? 'new_batch' then mp_kept_create(result) else result end, body_hash, create_time < now() - interval '24 hours' into o_result, o_hash, is_outdated
  from request where namespace_id = p_namespace and request_id = p_request_id;
  if is_outdated then
    o_result := null;
    o_hash := null;
    -- Not by the index of create_time: all others that are as old have been waiting for the loop that forgets them.
    delete from request where namespace_id = p_namespace and request_id = p_request_id and create_time + interval '24 hours' < now();
  end if;
end $$;
