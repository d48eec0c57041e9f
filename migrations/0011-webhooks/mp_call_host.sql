-- The host of a URL as places, breakers and filters tell hosts apart: in lower case, with a port that is not the scheme's own. hostKey of src/domain/host-key.ts says the same.
create function mp_call_host(p_url text) returns text language sql immutable parallel safe return (
  select left(regexp_replace(lower(regexp_replace(substring(bare from '^[\x01-\x20]*[A-Za-z]+:[/\\]*([^/?#\\\x01-\x20]+)'), '^.*@', '') collate "C"),
    case when bare ~* '^[\x01-\x20]*https:' then ':443$' else ':80$' end, ''), 255)
  from regexp_replace(p_url, '[\t\n\r]', '', 'g') bare);
