package io.millpond.sdk;

import io.millpond.v1.Assignment;
import io.millpond.v1.LeaseRef;
import io.millpond.v1.TaskReport;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * One execution of a task by a worker, from its assignment to its closing report. Aborting it
 * interrupts the thread of its handler, and only while the handler runs.
 */
final class Attempt {
  private final Assignment assignment;

  /** By the clock of {@link System#nanoTime}. Touched by the worker's loop only. */
  private long leaseExpiresAtNanos;

  private AttemptAbortedException aborted;
  private Thread thread;
  private List<Consumer<AbortReason>> listeners = new ArrayList<>();
  private boolean hasCounted;
  private boolean hasEnded;

  /** The last one; null: there was none. */
  private Heartbeat heartbeat;

  Attempt(Assignment assignment, long leaseExpiresAtNanos) {
    this.assignment = assignment;
    this.leaseExpiresAtNanos = leaseExpiresAtNanos;
  }

  Assignment assignment() {
    return assignment;
  }

  String taskId() {
    return assignment.getTask().getTaskId();
  }

  String kind() {
    return assignment.getTask().getKind();
  }

  int number() {
    return assignment.getAttempt();
  }

  LeaseRef lease() {
    return LeaseRef.newBuilder().setTaskId(taskId()).setAttempt(number()).build();
  }

  void leaseUntil(long expiresAtNanos) {
    leaseExpiresAtNanos = expiresAtNanos;
  }

  boolean isLeaseOver(long nowNanos) {
    return leaseExpiresAtNanos - nowNanos <= 0;
  }

  /** Something was counted that may not be durable yet. */
  synchronized void hasCounted(boolean hasCounted) {
    this.hasCounted = hasCounted;
  }

  synchronized boolean hasCounted() {
    return hasCounted;
  }

  /**
   * Answers the heartbeat that says what is reported: one that still waits to be sent, or else a
   * new one, which is queued.
   */
  synchronized Heartbeat heartbeat(TaskReport report, Consumer<Heartbeat> queue) {
    if (heartbeat == null || !heartbeat.takesUp(report)) {
      heartbeat = new Heartbeat(report);
      queue.accept(heartbeat);
    }
    return heartbeat;
  }

  /**
   * Tells the handler to stop: listeners first, so that they know before it ends. Only the first
   * call counts.
   */
  void abort(AbortReason reason, String message) {
    List<Consumer<AbortReason>> told;
    synchronized (this) {
      if (aborted != null) {
        return;
      }
      aborted = new AttemptAbortedException(reason, message);
      told = listeners;
      listeners = List.of();
    }
    try {
      told.forEach(listener -> listener.accept(reason));
    } finally {
      interrupt();
    }
  }

  private synchronized void interrupt() {
    if (thread != null) {
      thread.interrupt();
    }
  }

  /** Why the handler should stop; empty: it should go on. */
  synchronized Optional<AttemptAbortedException> aborted() {
    return Optional.ofNullable(aborted);
  }

  /** Whether the attempt is no longer this worker's to report on. */
  boolean isDisowned() {
    return aborted().filter(abort -> abort.reason() != AbortReason.WORKER_STOPPED).isPresent();
  }

  void onAbort(Consumer<AbortReason> listener) {
    synchronized (this) {
      if (aborted == null) {
        listeners.add(listener);
        return;
      }
    }
    listener.accept(aborted.reason());
  }

  /** Whether its handler has ended. */
  synchronized boolean hasEnded() {
    return hasEnded;
  }

  /** Runs the handler to its end on this thread, and answers the closing report. Never throws. */
  TaskReport run(TaskHandler handler, TaskContext context) {
    try {
      begin();
      Object output = handler.handle(context);
      return Reports.success(this, output);
    } catch (Throwable thrown) {
      return Reports.failure(this, thrown);
    } finally {
      end();
    }
  }

  private synchronized void begin() {
    if (aborted != null) {
      throw aborted;
    }
    thread = Thread.currentThread();
  }

  /**
   * Nobody is told any more, and an interrupt that came late is no business of the thread's next
   * handler.
   */
  private synchronized void end() {
    thread = null;
    hasEnded = true;
    listeners = new ArrayList<>();
    Thread.interrupted();
  }
}
