package io.millpond.conformance;

/** An op that fails for another reason than the SDK's. */
final class RunnerError extends Exception {
  private static final long serialVersionUID = 1L;

  RunnerError(String message) {
    super(message);
  }
}
