package io.millpond.sdk;

import io.millpond.v1.TaskReport;
import java.util.concurrent.CompletableFuture;

/**
 * A heartbeat of an attempt, from its handler to the server's answer. While it waits to be sent it
 * takes up what later ones say: a handler that does not wait for its heartbeats fills no memory,
 * however long the server is away.
 */
final class Heartbeat {
  private TaskReport report;
  private boolean isTaken;
  private final CompletableFuture<Void> answered = new CompletableFuture<>();

  /** Who waits for it may block: not on the worker's own thread. */
  private final CompletableFuture<Void> told =
      answered.whenCompleteAsync((nothing, impossible) -> {});

  Heartbeat(TaskReport report) {
    this.report = report;
  }

  /** Takes up what a later one says; false: it is too late, this one is on its way. */
  synchronized boolean takesUp(TaskReport later) {
    if (isTaken) {
      return false;
    }
    // Without progress it leaves what was reported before.
    if (later.getHeartbeat().hasProgress()) {
      report = later;
    }
    return true;
  }

  /** Answers what to send, now that it is sent. */
  synchronized TaskReport take() {
    isTaken = true;
    return report;
  }

  /** Says that it is dealt with. */
  void complete() {
    answered.complete(null);
  }

  /** Completes when it is dealt with: on the worker's own thread, so for waiting only. */
  CompletableFuture<Void> answered() {
    return answered;
  }

  /** Completes when it is dealt with, for handlers. */
  CompletableFuture<Void> told() {
    return told;
  }
}
