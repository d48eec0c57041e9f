package io.millpond.sdk;

import io.grpc.Status;
import io.millpond.v1.ErrorReason;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a call failed with: the one type of everything that goes wrong on the way to a server, or
 * there.
 *
 * <p>A bad argument that never leaves the process is an {@link IllegalArgumentException} instead.
 */
public final class MillpondException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Never OK. */
  private final Status.Code code;

  /** Unspecified: not known. */
  private final ErrorReason reason;

  private final transient ErrorDetails details;

  /** Whether the server, or the way to it, was away. */
  private final boolean isTransient;

  MillpondException(
      Status.Code code,
      String message,
      ErrorDetails details,
      boolean isTransient,
      Throwable cause) {
    super(message, cause);
    this.code = code;
    this.reason = details.reason();
    this.details = details;
    this.isTransient = isTransient;
  }

  /** An error of this side of the connection. */
  static MillpondException local(
      Status.Code code, Address address, String message, Throwable cause) {
    return new MillpondException(
        code,
        address.text() + ": " + message,
        ErrorDetails.NONE,
        code == Status.Code.UNAVAILABLE,
        cause);
  }

  /**
   * Returns the gRPC code.
   *
   * @return the code, never {@code OK}
   */
  public Status.Code code() {
    return code;
  }

  /**
   * Returns why the call failed.
   *
   * @return the reason; unspecified when the error is none of Millpond's, or of a reason that this
   *     version of the SDK does not know
   */
  public ErrorReason reason() {
    return reason;
  }

  /**
   * Returns the facts that {@link ErrorReason} names for the reason, such as {@code task_id}.
   *
   * @return the facts, empty when there are none
   */
  public Map<String, String> metadata() {
    return details().metadata();
  }

  /**
   * Returns the fields that the server refused, in its order.
   *
   * @return the fields, empty when it named none
   */
  public List<FieldViolation> fieldViolations() {
    return details().fieldViolations();
  }

  /**
   * Returns how long the server asked to wait before the call is repeated.
   *
   * @return the delay, not negative; empty when it did not ask
   */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(details().retryDelay());
  }

  /**
   * Tells whether the call failed because the server, or the way to it, was away, so that the same
   * call may succeed later. Whether repeating it is safe is another question.
   *
   * @return whether it is so
   */
  public boolean isTransient() {
    return isTransient;
  }

  /** Whether a call that is made until it succeeds should be made again. */
  boolean isWorthRepeating() {
    return isTransient || code == Status.Code.DEADLINE_EXCEEDED || retryDelay().isPresent();
  }

  /** They are not serialized with the exception. */
  private ErrorDetails details() {
    return details == null ? ErrorDetails.NONE : details;
  }
}
