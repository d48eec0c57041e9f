-- Whether a task that waited takes the place that it was given: it still waits for nothing, and may start now.
create function mp_starts(place integer, status smallint, deps_left integer, skip boolean, delayed boolean) returns boolean language sql immutable as $$
  select place is not null and status = 1 and deps_left = 0 and not skip and delayed is not true
$$;
