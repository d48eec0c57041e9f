-- What becomes of a waiting or paused task once some of its edges are settled: its next status.
-- deps_left: edges that are still unsettled. unmet_success, unmet_failure: a parent whose edge of that condition cannot be met.
create function mp_outcome(status smallint, deps_left integer, unmet_policy smallint, unmet_success bigint, unmet_failure bigint,
  skip boolean, execution smallint, delayed boolean) returns smallint language sql immutable as $$
  select (case
    when (unmet_success is not null and unmet_policy <> 2) or (unmet_failure is not null and unmet_policy = 1) then 7
    when deps_left > 0 then status
    when skip or unmet_success is not null or unmet_failure is not null then 9
    when status = 5 then 5
    when execution = 3 and delayed is not true then 6
    else 2 end)::smallint
$$;
