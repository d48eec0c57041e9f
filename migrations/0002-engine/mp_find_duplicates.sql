-- Finds for each look-up the newest task of a shape with equal values of its fields and one of some statuses (p_statuses: arrays as text). Nobody else
-- who looks for the same values can do so before this transaction is over: whoever comes second finds what the first has created.
-- Values are guarded in 256 lots, taken in their order, before any other lock.
create function mp_find_duplicates(p_items integer[], p_shapes integer[], p_metadatas text[], p_statuses text[])
returns table (o_item integer, o_task_id bigint, o_status smallint) language plpgsql as $$
declare
  lot integer;
begin
  for lot in
    select distinct (hashtextextended((select coalesce(jsonb_agg(x.metadata::jsonb -> f order by n)::text, '[]') from unnest(s.fields) with ordinality y(f, n)), s.id) & 255)::integer
    from unnest(p_shapes, p_metadatas) x(shape, metadata) join dedupe_shape s on s.id = any (array[x.shape]) order by 1
  loop
    perform pg_advisory_xact_lock(7711, lot);
  end loop;

  -- What has ended is marked, so that it is looked at once only; not what is being retried just now.
  with wanted as materialized (
    select distinct s.id as shape, hashtextextended((select coalesce(jsonb_agg(x.metadata::jsonb -> f order by n)::text, '[]') from unnest(s.fields) with ordinality y(f, n)), s.id) as hash
    from unnest(p_shapes, p_metadatas) x(shape, metadata) join dedupe_shape s on s.id = any (array[x.shape])
  ), over as materialized (
    select w.shape, w.hash, k.task_id from wanted w join dedupe_key k on k.shape = any (array[w.shape]) and k.hash = w.hash and not k.ended
      join task_state h on h.id = any (array[k.task_id]) where h.status > 5 for share of h skip locked
  )
  update dedupe_key k set ended = true from over o where k.shape = any (array[o.shape]) and k.hash = o.hash and k.task_id = o.task_id;

  return query
  select x.item, f.task_id, f.status
  from unnest(p_items, p_shapes, p_metadatas, p_statuses) x(item, shape, metadata, statuses) join dedupe_shape s on s.id = any (array[x.shape])
    cross join lateral (
      select hashtextextended((select coalesce(jsonb_agg(x.metadata::jsonb -> e order by n)::text, '[]') from unnest(s.fields) with ordinality y(e, n)), s.id) as hash
    ) v cross join lateral (
      (select k.task_id, h.status from dedupe_key k join task_state h on h.id = any (array[k.task_id]) join task t on t.id = any (array[k.task_id])
        where k.shape = x.shape and k.hash = v.hash and not k.ended and h.status = any (x.statuses::smallint[])
          and (select bool_and(t.metadata -> e = x.metadata::jsonb -> e) from unnest(s.fields) e) is not false
        order by k.task_id desc limit 1)
      union all
      (select k.task_id, h.status from dedupe_key k join task_state h on h.id = any (array[k.task_id]) join task t on t.id = any (array[k.task_id])
        where x.statuses::smallint[] && '{6,7,8,9}' and k.shape = x.shape and k.hash = v.hash and k.ended and h.status = any (x.statuses::smallint[])
          and (select bool_and(t.metadata -> e = x.metadata::jsonb -> e) from unnest(s.fields) e) is not false
        order by k.task_id desc limit 1)
      limit 1
    ) f;
end $$;
