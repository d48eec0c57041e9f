package io.millpond.sdk;

import com.google.protobuf.Value;
import io.grpc.Status;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.TaskReport;
import io.millpond.v1.TaskReport.Failure;
import java.nio.channels.ClosedByInterruptException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CancellationException;

/** Makes the reports of attempts, within the bounds of the contract. */
final class Reports {
  private static final int MESSAGE_LENGTH_MAX = 16_384;
  private static final int CODE_LENGTH_MAX = 255;
  private static final int CAUSES_MAX = 100;
  private static final Duration RETRY_DELAY_MAX = Duration.ofDays(366);

  private Reports() {}

  /** A report that the work goes on; without progress (null) what was reported before stays. */
  static TaskReport heartbeat(Attempt attempt, Object progress) {
    TaskReport.Heartbeat.Builder heartbeat = TaskReport.Heartbeat.newBuilder();
    if (progress != null) {
      heartbeat.setProgress(Json.toValue(progress));
    }
    return of(attempt).setHeartbeat(heartbeat).build();
  }

  /** A report of what a handler has returned: of a failure where that is no JSON. */
  static TaskReport success(Attempt attempt, Object output) {
    TaskReport.Success.Builder success = TaskReport.Success.newBuilder();
    if (output != null) {
      try {
        success.setOutput(Json.toValue(output));
      } catch (RuntimeException | StackOverflowError cause) {
        String message = "the handler's output is no JSON: " + textOf(cause);
        return of(attempt)
            .setFailure(failure(message, "OUTPUT_NOT_JSON").setNonRetryable(true))
            .build();
      }
    }
    return of(attempt).setSuccess(success).build();
  }

  /** A report of what a handler has thrown, whatever that is. */
  static TaskReport failure(Attempt attempt, Throwable thrown) {
    try {
      return of(attempt).setFailure(describe(attempt, thrown)).build();
    } catch (RuntimeException | Error cause) {
      String message = "the handler threw what cannot be reported: " + textOf(cause);
      return of(attempt).setFailure(failure(message, "ERROR_NOT_REPORTABLE")).build();
    }
  }

  private static Failure.Builder describe(Attempt attempt, Throwable thrown) {
    Optional<AttemptAbortedException> stopped =
        attempt
            .aborted()
            .filter(abort -> abort.reason() == AbortReason.WORKER_STOPPED && isStop(thrown));
    Failure.Builder failure =
        stopped
            .map(abort -> failure(textOf(abort), "WORKER_STOPPED"))
            .orElseGet(() -> failure(textOf(thrown), codeOf(thrown)));
    if (thrown instanceof TaskException own) {
      addOwn(failure, own);
    }
    return failure;
  }

  /**
   * Whether a call was refused because of what it says, and not because of who calls or of a fault
   * of the server: then the lease runs out. What cannot be encoded is refused before it is sent.
   */
  static boolean blamesContent(Throwable error) {
    if (!(error instanceof MillpondException)) {
      return true;
    }
    return switch (((MillpondException) error).code()) {
      case INVALID_ARGUMENT, RESOURCE_EXHAUSTED, OUT_OF_RANGE -> true;
      default -> false;
    };
  }

  /**
   * What to report when the server does not take a closing report: of a success whose output is
   * refused, a failure that says so; of a failure with details, the same failure without them.
   * Empty: there is nothing left to leave out.
   */
  static Optional<TaskReport> insteadOf(TaskReport report, String refusal) {
    if (report.hasSuccess()) {
      String message = "the output was refused: " + refusal;
      Failure.Builder failure = failure(message, "OUTPUT_REFUSED").setNonRetryable(true);
      return Optional.of(report.toBuilder().setFailure(failure).build());
    }
    if (!report.hasFailure() || !report.getFailure().hasDetails()) {
      return Optional.empty();
    }
    Failure.Builder failure = report.getFailure().toBuilder().clearDetails();
    return Optional.of(report.toBuilder().setFailure(failure).build());
  }

  /** The message of what was thrown, or its type where it has none. */
  static String textOf(Throwable thrown) {
    try {
      String message = thrown.getMessage();
      return message == null || message.isBlank() ? thrown.getClass().getSimpleName() : message;
    } catch (RuntimeException | Error nobodyKnows) {
      // Whose code getMessage may be: a handler's.
      return thrown.getClass().getName();
    }
  }

  private static TaskReport.Builder of(Attempt attempt) {
    return TaskReport.newBuilder().setTaskId(attempt.taskId()).setAttempt(attempt.number());
  }

  private static Failure.Builder failure(String message, String code) {
    return Failure.newBuilder()
        .setMessage(WireText.of(message, MESSAGE_LENGTH_MAX))
        .setCode(WireText.of(code, CODE_LENGTH_MAX));
  }

  private static void addOwn(Failure.Builder failure, TaskException own) {
    failure.setNonRetryable(own.isNonRetryable());
    own.retryDelay().map(Reports::within).map(Durations::toProto).ifPresent(failure::setRetryDelay);
    if (own.details() != null) {
      failure.setDetails(details(own.details()));
    }
  }

  /** Details as JSON; where they are none, a text that says why. */
  private static Value details(Object details) {
    try {
      return Json.toValue(details);
    } catch (RuntimeException | StackOverflowError cause) {
      return Json.toValue("the details are no JSON: " + textOf(cause));
    }
  }

  private static Duration within(Duration delay) {
    if (delay.isNegative()) {
      return Duration.ZERO;
    }
    return delay.compareTo(RETRY_DELAY_MAX) > 0 ? RETRY_DELAY_MAX : delay;
  }

  private static String codeOf(Throwable thrown) {
    if (thrown instanceof TaskException own) {
      return own.code();
    }
    if (thrown instanceof MillpondException call) {
      return call.reason() == ErrorReason.ERROR_REASON_UNSPECIFIED
          ? call.code().name()
          : ErrorDetails.nameOf(call.reason());
    }
    return "";
  }

  /** Whether something is thrown because a thread was interrupted or an attempt aborted. */
  private static boolean isStop(Throwable thrown) {
    Throwable cause = thrown;
    // Bounded: causes may go in a circle.
    for (int depth = 0; cause != null && depth < CAUSES_MAX; depth++) {
      if (cause instanceof AttemptAbortedException
          || cause instanceof InterruptedException
          || cause instanceof ClosedByInterruptException
          || cause instanceof CancellationException
          || (cause instanceof MillpondException call && call.code() == Status.Code.CANCELLED)) {
        return true;
      }
      cause = cause.getCause();
    }
    return false;
  }
}
