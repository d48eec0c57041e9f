-- The host of a delivery's webhook. p_source is where that is: the batch's list for trigger 4, the webhook itself for 5, else the task's spec; ProtoJSON.
create function mp_delivery_host(p_trigger smallint, p_position smallint, p_source text) returns text language sql immutable parallel safe return
  mp_call_host(case p_trigger
    when 4 then p_source::json -> p_position::integer
    when 5 then p_source::json
    else p_source::json -> (case p_trigger when 1 then 'onSuccess' when 2 then 'onFailure' else 'onCancel' end) -> p_position::integer end ->> 'url');
