-- The host of a URL as places, breakers and filters tell hosts apart: in lower case, with a port that is not the scheme's own. hostKey of src/domain/host-key.ts says the same.
create function mp_call_host(p_url text) returns text language sql immutable parallel safe return (
  select left(regexp_replace(lower(regexp_replace(substring(bare from '^[A-Za-z]+:[/\\]*([^/?#\\]+)'), '^.*@', '') collate "C"), case when bare ~* '^https:' then ':443$' else ':80$' end, ''), 255)
  from regexp_replace(p_url, '^[\x01-\x20]+|[\x01-\x20]+$|[\t\n\r]', '', 'g') bare);
