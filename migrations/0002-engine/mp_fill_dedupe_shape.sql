-- Makes up to p_step older tasks findable by a shape. Answers below which id there are more; 0: none are left. Whoever fills the same shape waits.
create function mp_fill_dedupe_shape(p_shape integer, p_step integer) returns bigint language plpgsql as $$
declare
  shape dedupe_shape;
  queues integer[];
  lowest bigint;
begin
  select * into shape from dedupe_shape where id = p_shape for update;
  if shape.filled_below = 0 then return 0; end if;
  queues := array(select id from queue where namespace_id = shape.namespace_id and kind = shape.kind);
  with older as materialized (
    select t.id, t.queue, t.metadata from task t where t.id < shape.filled_below order by t.id desc limit p_step
  ), added as (
    insert into dedupe_key (shape, hash, task_id)
    select p_shape, mp_dedupe_hash(p_shape, shape.fields, o.metadata), o.id
    from older o where o.queue = any (queues) and jsonb_exists_all(coalesce(o.metadata, '{}'), shape.fields) on conflict do nothing
  )
  select case when count(*) = p_step then min(id) else 0 end into lowest from older;
  update dedupe_shape set filled_below = lowest where id = p_shape;
  return lowest;
end $$;
