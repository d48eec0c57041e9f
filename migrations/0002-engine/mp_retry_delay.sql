-- How many milliseconds a policy waits before the attempt after p_attempt: min(max_backoff, initial * multiplier^(n-1) + increment * (n-1)), of which
-- the share `jitter` is drawn at random. What a report asks for comes before the policy. Powers are bounded: they are beyond every max_backoff.
create function mp_retry_delay(p_policy integer, p_attempt integer, p_requested bigint) returns double precision language sql volatile as $$
  select case when p_requested is not null then p_requested else d.delay * (1 - p.jitter * random()) end
  from retry_policy p cross join lateral (
    select least(p.max_backoff_ms, p.initial_backoff_ms * exp(least((p_attempt - 1) * ln(p.multiplier), 50)) + p.increment_ms * (p_attempt - 1)::double precision) as delay
  ) d where p.id = p_policy
$$;
