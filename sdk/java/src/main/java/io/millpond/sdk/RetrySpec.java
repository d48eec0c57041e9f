package io.millpond.sdk;

import io.millpond.v1.FailureCause;
import io.millpond.v1.RetryPolicy;
import java.time.Duration;
import java.util.List;

/** How failed attempts of a task are repeated, as {@link TaskSpec#retry} lets it be described. */
public final class RetrySpec {
  private final RetryPolicy.Builder policy = RetryPolicy.newBuilder();

  RetrySpec() {}

  /**
   * Says how many attempts there are in all.
   *
   * @param maxAttempts from 1 to 1,000; 1: no retry
   * @return this description
   */
  public RetrySpec maxAttempts(int maxAttempts) {
    policy.setMaxAttempts(maxAttempts);
    return this;
  }

  /**
   * Says how long the delay before the second attempt is. Default: 1 s.
   *
   * @param initialBackoff at most 366 days
   * @return this description
   */
  public RetrySpec initialBackoff(Duration initialBackoff) {
    policy.setInitialBackoff(Durations.toProto(initialBackoff));
    return this;
  }

  /**
   * Says what the delay is multiplied by at each attempt. Default: 2.
   *
   * @param multiplier from 1 to 100; 1: fixed
   * @return this description
   */
  public RetrySpec multiplier(double multiplier) {
    policy.setMultiplier(multiplier);
    return this;
  }

  /**
   * Says what is added to the delay at each attempt. Default: nothing.
   *
   * @param increment at most 366 days
   * @return this description
   */
  public RetrySpec increment(Duration increment) {
    policy.setIncrement(Durations.toProto(increment));
    return this;
  }

  /**
   * Says how long the longest delay is. Default: 5 minutes.
   *
   * @param maxBackoff at most 366 days
   * @return this description
   */
  public RetrySpec maxBackoff(Duration maxBackoff) {
    policy.setMaxBackoff(Durations.toProto(maxBackoff));
    return this;
  }

  /**
   * Says which share of the delay is drawn at random. Default: 0.1.
   *
   * @param jitter from 0 to 1
   * @return this description
   */
  public RetrySpec jitter(double jitter) {
    policy.setJitter(jitter);
    return this;
  }

  /**
   * Names the causes that are retried. Default: every cause that can be.
   *
   * @param causes the causes
   * @return this description
   */
  public RetrySpec retryCauses(FailureCause... causes) {
    policy.addAllRetryCauses(List.of(causes));
    return this;
  }

  /**
   * Names codes of failures that are not retried.
   *
   * @param codes at most 100, each of 1 to 255 characters
   * @return this description
   */
  public RetrySpec nonRetryableCodes(String... codes) {
    policy.addAllNonRetryableCodes(List.of(codes));
    return this;
  }

  RetryPolicy toRetryPolicy() {
    return policy.build();
  }
}
