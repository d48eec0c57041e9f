-- The host of a URL as places, breakers and filters tell hosts apart: in lower case, with a port that is not the scheme's own. hostKey of src/domain/host-key.ts says the same.
create function mp_call_host(p_url text) returns text language sql immutable parallel safe return
  left(regexp_replace(lower(substring(p_url from '^[A-Za-z]+://([^/?#\\]+)') collate "C"), case when p_url ~* '^https:' then ':443$' else ':80$' end, ''), 255);
