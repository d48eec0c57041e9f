-- The host of a delivery's webhook; null where the text cannot be read. p_source is where that is: the batch's list for trigger 4, the webhook itself for 5, else the task's spec; ProtoJSON.
-- What stands beside the URL may hold what no text of PostgreSQL does, NUL and halves of surrogate pairs, and reading a member looks at all of it: the escapes of these are left out. So that they
-- can be told, an escaped backslash is made a slash before, which ends the host of a URL alike. Whatever the text is, no task's end may fail by it.
create function mp_delivery_host(p_trigger smallint, p_position smallint, p_source text) returns text language plpgsql immutable as $$
declare
  source json;
begin
  source := case when strpos(p_source, '\u') > 0 then regexp_replace(replace(p_source, '\\', '\/'), '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '', 'g') else p_source end;
  return mp_call_host(case p_trigger
    when 4 then source -> p_position::integer
    when 5 then source
    else source -> (case p_trigger when 1 then 'onSuccess' when 2 then 'onFailure' else 'onCancel' end) -> p_position::integer end ->> 'url');
exception when data_exception then
  return null;
end $$;
