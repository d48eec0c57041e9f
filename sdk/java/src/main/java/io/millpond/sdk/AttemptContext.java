package io.millpond.sdk;

import io.millpond.v1.Assignment;
import io.millpond.v1.LogLevel;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;

/** What a handler sees of its attempt. */
final class AttemptContext implements TaskContext {
  private final Attempt attempt;
  private final WorkerCore worker;

  AttemptContext(Attempt attempt, WorkerCore worker) {
    this.attempt = attempt;
    this.worker = worker;
  }

  @Override
  public Assignment assignment() {
    return attempt.assignment();
  }

  @Override
  public Map<String, ParentOutcome> parents() {
    Map<String, ParentOutcome> parents = new HashMap<>();
    assignment()
        .getParentsMap()
        .forEach((key, result) -> parents.put(key, ParentOutcome.of(result)));
    return Collections.unmodifiableMap(parents);
  }

  @Override
  public Optional<AbortReason> abortReason() {
    return attempt.aborted().map(AttemptAbortedException::reason);
  }

  @Override
  public void throwIfAborted() {
    attempt
        .aborted()
        .ifPresent(
            abort -> {
              throw new AttemptAbortedException(abort.reason(), abort.getMessage());
            });
  }

  @Override
  public void onAbort(Consumer<AbortReason> listener) {
    Objects.requireNonNull(listener, "listener");
    attempt.onAbort(
        reason -> {
          try {
            listener.accept(reason);
          } catch (RuntimeException | Error thrown) {
            // The worker has others to tell.
            worker.told(thrown);
          }
        });
  }

  @Override
  public void heartbeat(Object progress) throws InterruptedException {
    try {
      worker.heartbeat(attempt, Reports.heartbeat(attempt, progress)).answered().get();
    } catch (ExecutionException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  @Override
  public CompletableFuture<Void> heartbeatAsync(Object progress) {
    return worker.heartbeat(attempt, Reports.heartbeat(attempt, progress)).told();
  }

  @Override
  public void log(LogLevel level, String message) {
    worker.log(attempt, Objects.requireNonNull(level, "level"), String.valueOf(message));
  }

  @Override
  public void count(long success, long failure) {
    worker.count(attempt, success, failure);
  }
}
