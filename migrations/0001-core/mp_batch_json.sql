-- A batch as it stands; 64-bit numbers as text.
create function mp_batch_json(p_batch bigint) returns jsonb language sql stable as $$
  select to_jsonb(s) || jsonb_build_object('batch_id', b.id::text, 'name', b.name, 'metadata', b.metadata, 'create_time', b.create_time, 'stop_reason', b.stop_reason,
    'success_count', s.success_count::text, 'failure_count', s.failure_count::text, 'expected_count', s.expected_count::text)
  from batch b join batch_state s on s.batch_id = b.id where b.id = p_batch
$$;
