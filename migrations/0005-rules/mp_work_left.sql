-- What a task has left to do, as rules of capacity count it.
create function mp_work_left(expected bigint, successes bigint, failures bigint) returns bigint language sql immutable as $$
  select greatest(coalesce(expected, 0)::numeric - successes - failures, 0)::bigint
$$;
