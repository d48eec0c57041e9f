package io.millpond.sdk;

import io.millpond.v1.AppendLogsRequest;
import io.millpond.v1.AppendLogsResponse;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.LogEntry;
import io.millpond.v1.LogLevel;
import io.millpond.v1.WorkerServiceGrpc;
import java.time.Instant;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/**
 * Sends what handlers log in few calls: lines wait a moment for others, and while a call of their
 * attempt is in flight. A server that is away, or slower than the handlers, is waited for; what
 * does not fit meanwhile is dropped, and a line says how many lines that were. Handlers add; the
 * rest happens on the worker's loop.
 */
final class LogQueue {
  private static final long LINGER_MILLIS = 200;

  /** Calls in flight at the same time, never two of one attempt: its lines stay in their order. */
  private static final int CALLS_MAX = 8;

  /** What may wait of all attempts. */
  private static final long BYTES_WAITING_MAX = 64 * 1024 * 1024;

  /** How long the report of an attempt waits for its last lines. */
  private static final long FINISH_MAX_MILLIS = 5_000;

  private static final int MESSAGE_LENGTH_MAX = 16_384;

  /** Answers that no repetition changes. */
  private static final Set<ErrorReason> FINAL_REASONS =
      EnumSet.of(
          ErrorReason.ERROR_REASON_STALE_ATTEMPT,
          ErrorReason.ERROR_REASON_TASK_NOT_FOUND,
          ErrorReason.ERROR_REASON_UNIMPLEMENTED,
          ErrorReason.ERROR_REASON_UNAUTHENTICATED,
          ErrorReason.ERROR_REASON_PERMISSION_DENIED);

  /** The lines of one attempt, and how their sending stands. */
  private static final class Log {
    final Attempt attempt;
    final LogBuffer buffer = new LogBuffer();

    /** Completes when nothing waits any more; null: nobody waits for that. */
    CompletableFuture<Void> finished;

    Future<?> timer;
    boolean isSending;

    /** The server takes no more of them. */
    boolean isRefused;

    int failures;

    Log(Attempt attempt) {
      this.attempt = attempt;
    }
  }

  private final Calls calls;
  private final EventLoop loop;
  private final Consumer<Throwable> onError;
  private final Map<Attempt, Log> logs = new HashMap<>();

  /** Those with lines to send, in turn. */
  private final Set<Log> due = new LinkedHashSet<>();

  private final Set<CompletableFuture<AppendLogsResponse>> underWay = new LinkedHashSet<>();
  private long bytes;
  private boolean isClosed;

  LogQueue(Calls calls, EventLoop loop, Consumer<Throwable> onError) {
    this.calls = calls;
    this.loop = loop;
    this.onError = onError;
  }

  /** Queues a text of an attempt: what is too long for one line becomes several. */
  synchronized void add(Attempt attempt, LogLevel level, String text) {
    if (isClosed || attempt.hasEnded()) {
      // Nobody would see to the end of what is begun now.
      return;
    }
    Log log = logs.computeIfAbsent(attempt, Log::new);
    if (log.isRefused) {
      return;
    }
    LogEntry.Builder line =
        LogEntry.newBuilder().setLogTime(Durations.toProto(Instant.now())).setLevel(level);
    for (String piece : WireText.pieces(text, MESSAGE_LENGTH_MAX)) {
      long own = LogBuffer.bytesOf(piece);
      if (log.buffer.add(line.setMessage(piece).build(), bytes + own <= BYTES_WAITING_MAX)) {
        bytes += own;
      }
    }
    if (log.isSending || due.contains(log)) {
      return;
    }
    if (log.buffer.isFull() && log.failures == 0) {
      isDue(log);
    } else {
      later(log, LINGER_MILLIS);
    }
  }

  /** Whether lines of an attempt have not been sent. */
  synchronized boolean holds(Attempt attempt) {
    return logs.containsKey(attempt);
  }

  /**
   * Completes when the lines of an attempt that has ended are sent, or given up after five seconds.
   */
  CompletableFuture<Void> finish(Attempt attempt) {
    Log log;
    synchronized (this) {
      log = logs.get(attempt);
      if (log == null) {
        return CompletableFuture.completedFuture(null);
      }
      log.finished = new CompletableFuture<>();
      isDue(log);
    }
    Future<?> timer = loop.after(FINISH_MAX_MILLIS, () -> log.finished.complete(null));
    return log.finished.thenRunAsync(
        () -> {
          EventLoop.cancel(timer);
          giveUp(log);
        },
        loop);
  }

  /** Gives up what has not been sent. */
  synchronized void close() {
    isClosed = true;
    Set.copyOf(underWay).forEach(call -> call.cancel(true));
    logs.values().forEach(log -> EventLoop.cancel(log.timer));
    logs.clear();
    due.clear();
  }

  private void giveUp(Log log) {
    long left;
    synchronized (this) {
      left = log.isRefused ? 0 : log.buffer.size();
      forget(log);
    }
    if (left > 0) {
      onError.accept(
          new IllegalStateException(
              left
                  + " lines of log of task "
                  + log.attempt.taskId()
                  + " may be lost: they could not be sent in time"));
    }
  }

  private synchronized void isDue(Log log) {
    EventLoop.cancel(log.timer);
    log.timer = null;
    if (log.isSending || isClosed) {
      return;
    }
    if (log.buffer.isEmpty()) {
      emptied(log);
    } else {
      due.add(log);
      loop.execute(this::pump);
    }
  }

  private synchronized void later(Log log, long millis) {
    if (log.timer == null) {
      log.timer = loop.after(millis, () -> isDue(log));
    }
  }

  private synchronized void pump() {
    while (underWay.size() < CALLS_MAX && !due.isEmpty()) {
      Log log = due.iterator().next();
      due.remove(log);
      send(log);
    }
  }

  private void send(Log log) {
    log.isSending = true;
    LogBuffer.Batch batch = log.buffer.next();
    AppendLogsRequest request =
        AppendLogsRequest.newBuilder()
            .setTaskId(log.attempt.taskId())
            .setAttempt(log.attempt.number())
            .addAllEntries(batch.lines())
            .setRequestId(batch.requestId())
            .build();
    CompletableFuture<AppendLogsResponse> call =
        calls.callAsync(WorkerServiceGrpc.getAppendLogsMethod(), request, null);
    underWay.add(call);
    call.whenCompleteAsync((answer, error) -> settled(log, call, answer, error), loop);
  }

  private void settled(
      Log log,
      CompletableFuture<AppendLogsResponse> call,
      AppendLogsResponse answer,
      Throwable error) {
    boolean isOver;
    synchronized (this) {
      underWay.remove(call);
      log.isSending = false;
      isOver = isClosed;
    }
    if (isOver) {
      return;
    }
    if (error != null) {
      onError.accept(error);
    } else if (answer.getCancelRequested()) {
      log.attempt.abort(AbortReason.CANCEL_REQUESTED, "the server asked to stop the attempt");
    }
    if (error instanceof MillpondException failure
        && failure.isWorthRepeating()
        && !calls.connection().isClosed()) {
      repeatLater(log, failure);
    } else {
      goOn(log, error);
    }
    pump();
  }

  private synchronized void repeatLater(Log log, MillpondException failure) {
    if (logs.get(log.attempt) == log) {
      log.failures += 1;
      later(log, Backoff.delayAfterMillis(failure, log.failures));
    }
  }

  private void goOn(Log log, Throwable error) {
    ErrorReason reason =
        error instanceof MillpondException failure
            ? failure.reason()
            : ErrorReason.ERROR_REASON_UNSPECIFIED;
    if (reason == ErrorReason.ERROR_REASON_STALE_ATTEMPT) {
      log.attempt.abort(AbortReason.LEASE_LOST, "the task has another attempt");
    }
    synchronized (this) {
      if (logs.get(log.attempt) != log) {
        return;
      }
      log.failures = 0;
      bytes -= log.buffer.bytes();
      log.buffer.settled();
      if (FINAL_REASONS.contains(reason)) {
        log.isRefused = true;
        log.buffer.clear();
      }
      bytes += log.buffer.bytes();
      if (log.buffer.isEmpty()) {
        emptied(log);
      } else if (log.finished != null || log.buffer.isFull()) {
        isDue(log);
      } else {
        later(log, LINGER_MILLIS);
      }
    }
  }

  /** A log that is refused is kept until its attempt has ended: it takes no more lines. */
  private void emptied(Log log) {
    if (log.finished != null) {
      log.finished.complete(null);
    } else if (!log.isRefused) {
      forget(log);
    }
  }

  private void forget(Log log) {
    EventLoop.cancel(log.timer);
    if (logs.remove(log.attempt, log)) {
      due.remove(log);
      bytes -= log.buffer.bytes();
    }
  }
}
