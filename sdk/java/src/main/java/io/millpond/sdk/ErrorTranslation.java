package io.millpond.sdk;

import io.grpc.Status;
import java.io.IOException;
import java.util.Set;
import java.util.regex.Pattern;

/** Makes the SDK's exception of what a call of gRPC failed with. */
final class ErrorTranslation {
  /** A connection that breaks during a call shows as one of these, beside UNAVAILABLE. */
  private static final Set<Status.Code> BROKEN_CODES =
      Set.of(Status.Code.INTERNAL, Status.Code.UNKNOWN, Status.Code.CANCELLED);

  private static final Pattern BROKEN_TEXT =
      Pattern.compile(
          "RST_STREAM|GOAWAY|end-of-stream|end of stream|channel closed|network closed|"
              + "connection closed|connection reset|broken pipe|stream closed|closed without",
          Pattern.CASE_INSENSITIVE);

  /** What gRPC says when only the cause knows more. */
  private static final String NO_TEXT = "io exception";

  /** What the native transport puts before the words of the system. */
  private static final Pattern NATIVE_PREFIX =
      Pattern.compile("^\\w+\\(\\.\\.\\) failed with error\\(-?\\d+\\): ");

  private ErrorTranslation() {}

  static MillpondException translate(Throwable error, Address address) {
    if (error instanceof MillpondException known) {
      return known;
    }
    Status status = Status.fromThrowable(error);
    Status.Code code = status.getCode();
    ErrorDetails details = ErrorDetails.of(error, code);
    boolean isTransient =
        code == Status.Code.UNAVAILABLE || (!details.isOfMillpond() && isBroken(status));
    return new MillpondException(
        code, messageOf(status, details, address), details, isTransient, error);
  }

  private static String messageOf(Status status, ErrorDetails details, Address address) {
    if (details.isOfMillpond()) {
      return status.getDescription() == null
          ? ErrorDetails.nameOf(details.reason())
          : status.getDescription();
    }
    String text = address.text() + ": " + textOf(status);
    if (status.getCode() == Status.Code.UNIMPLEMENTED) {
      return text + " (the server may be older than this SDK, or no Millpond)";
    }
    return text;
  }

  private static String textOf(Status status) {
    // What gRPC puts on further lines is about itself.
    String description =
        status.getDescription() == null ? null : status.getDescription().split("\n")[0];
    String cause = status.getCause() == null ? null : status.getCause().getMessage();
    if (cause != null) {
      cause = NATIVE_PREFIX.matcher(cause).replaceFirst("");
    }
    if (description == null) {
      return cause == null ? status.getCode().name() : cause;
    }
    if (cause == null || description.contains(cause)) {
      return description;
    }
    return description.equals(NO_TEXT) ? cause : description + ": " + cause;
  }

  private static boolean isBroken(Status status) {
    if (!BROKEN_CODES.contains(status.getCode())) {
      return false;
    }
    for (Throwable cause = status.getCause(); cause != null; cause = cause.getCause()) {
      if (cause instanceof IOException) {
        return true;
      }
    }
    String description = status.getDescription();
    return description != null && BROKEN_TEXT.matcher(description).find();
  }
}
