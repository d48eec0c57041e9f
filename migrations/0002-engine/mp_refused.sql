-- The tasks of a call that it did not take, with the status that they have.
create function mp_refused(p_ids bigint[], p_taken bigint[]) returns table (id bigint, status smallint) language sql stable rows 10 as $$
  select h.id, h.status from (select unnest(p_ids) except select unnest(p_taken)) x(id) join task_state h on h.id = any (array[x.id])
$$;
