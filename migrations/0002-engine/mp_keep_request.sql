-- Keeps the answer of a call with a request_id. After the event: a call with the same request_id that came first makes this one fail here, and then
-- nothing of it is seen.
create function mp_keep_request(p_namespace integer, p_request_id text, p_hash bytea, p_result jsonb) returns void language plpgsql as $$
begin
  if p_request_id is null then return; end if;
  insert into request (namespace_id, request_id, create_time, body_hash, result) values (p_namespace, p_request_id, now(), p_hash, p_result);
end $$;
