package io.millpond.sdk;

/** What {@link TaskContext#throwIfAborted} ends a handler with that should stop. */
public final class AttemptAbortedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why the handler should stop. */
  private final AbortReason reason;

  AttemptAbortedException(AbortReason reason, String message) {
    super(message);
    this.reason = reason;
  }

  /**
   * Returns why the handler should stop.
   *
   * @return the reason
   */
  public AbortReason reason() {
    return reason;
  }
}
