-- Finds for each look-up the newest task of a shape with equal values of its fields and one of some statuses (p_statuses: arrays as text). Nobody else
-- who looks for the same values can do so before this transaction is over: whoever comes second finds what the first has created.
-- Values are guarded in 256 lots, taken in their order, before any other lock.
create function mp_find_duplicates(p_items integer[], p_shapes integer[], p_metadatas text[], p_statuses text[])
returns table (o_item integer, o_task_id bigint, o_status smallint) language plpgsql as $$
declare
  lot integer;
begin
  for lot in
    select distinct (mp_dedupe_hash(s.id, s.fields, x.metadata::jsonb) & 255)::integer
    from unnest(p_shapes, p_metadatas) x(shape, metadata) join dedupe_shape s on s.id = any (array[x.shape]) order by 1
  loop
    perform pg_advisory_xact_lock(7711, lot);
  end loop;

  -- What has ended is marked, so that it is looked at once only; not what is being retried just now.
  with wanted as materialized (
    select distinct s.id as shape, mp_dedupe_hash(s.id, s.fields, x.metadata::jsonb) as hash
    from unnest(p_shapes, p_metadatas) x(shape, metadata) join dedupe_shape s on s.id = any (array[x.shape])
  ), over as materialized (
    select k.place from wanted w cross join lateral (
        select q.ctid as place, q.task_id from dedupe_key q where q.shape = w.shape and q.hash = w.hash and not q.ended offset 0
      ) k join task_state h on h.id = any (array[k.task_id]) where h.status > 5 for share of h skip locked
  )
  update dedupe_key set ended = true where ctid = any (array(select place from over));

  return query
  select x.item, f.task_id, f.status
  from unnest(p_items, p_shapes, p_metadatas, p_statuses) x(item, shape, metadata, statuses) join dedupe_shape s on s.id = any (array[x.shape])
    cross join lateral (
      select mp_dedupe_hash(s.id, s.fields, x.metadata::jsonb) as hash
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
