package io.millpond.sdk;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;

/**
 * A failure that a handler throws with a code, details or a delay of its own.
 *
 * <pre>{@code
 * throw new TaskException("the node is busy").withCode("NODE_BUSY").withRetryDelay(Duration.ofSeconds(5));
 * }</pre>
 */
public class TaskException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Empty: none. */
  private String code = "";

  private transient Object details;

  /** Null: the policy's. */
  private Duration retryDelay;

  /** Whether the task ends by this failure. */
  private boolean isNonRetryable;

  /**
   * Makes a failure.
   *
   * @param message for people
   */
  public TaskException(String message) {
    super(message);
  }

  /**
   * Makes a failure with a cause, which is not reported.
   *
   * @param message for people
   * @param cause what lies behind it
   */
  public TaskException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * Adds the handler's own code, which a retry policy may name as not worth retrying.
   *
   * @param code at most 255 characters
   * @return this failure
   */
  public TaskException withCode(String code) {
    this.code = Objects.requireNonNull(code, "code");
    return this;
  }

  /**
   * Adds anything more.
   *
   * @param details plain JSON, at most 64 KiB; see {@link Json}
   * @return this failure
   */
  public TaskException withDetails(Object details) {
    this.details = details;
    return this;
  }

  /**
   * Sets the delay before the next attempt, instead of the policy's. Does not add attempts.
   *
   * @param retryDelay at most 366 days
   * @return this failure
   */
  public TaskException withRetryDelay(Duration retryDelay) {
    this.retryDelay = retryDelay;
    return this;
  }

  /**
   * Ends the task by this failure, whatever its retry policy says.
   *
   * @return this failure
   */
  public TaskException nonRetryable() {
    this.isNonRetryable = true;
    return this;
  }

  /**
   * Returns the handler's own code.
   *
   * @return the code; empty: none
   */
  public String code() {
    return code;
  }

  /**
   * Returns anything more.
   *
   * @return plain JSON; null: nothing
   */
  public Object details() {
    return details;
  }

  /**
   * Returns the delay before the next attempt.
   *
   * @return the delay; empty: the policy's
   */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }

  /**
   * Tells whether the task ends by this failure.
   *
   * @return whether it does
   */
  public boolean isNonRetryable() {
    return isNonRetryable;
  }
}
