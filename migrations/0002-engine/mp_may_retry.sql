-- Whether a policy repeats an attempt that failed, the p_attempt-th of those that count. Never after DEPENDENCY (7) and TOTAL_TIMEOUT (6).
create function mp_may_retry(p_policy integer, p_attempt integer, p_cause smallint, p_code text, p_non_retryable boolean) returns boolean language sql stable as $$
  select p_cause not in (6, 7) and not coalesce(p_non_retryable, false) and exists (
    select from retry_policy p where p.id = p_policy and p_attempt < p.max_attempts
      and (cardinality(p.causes) = 0 or p_cause = any (p.causes)) and (p_code is null or p_code <> all (p.non_retryable_codes)))
$$;
