package io.millpond.sdk;

import io.millpond.v1.AddCountsRequest;
import io.millpond.v1.AddCountsResponse;
import io.millpond.v1.CountDelta;
import io.millpond.v1.CountRejection;
import io.millpond.v1.ItemError;
import io.millpond.v1.TaskServiceGrpc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Sends what handlers count in few calls: sums it up by task, a few times a second, with a request
 * id, so that each count is counted once. While the server is away it goes on trying. Handlers add;
 * the rest happens on the worker's loop.
 */
final class CountQueue {
  private static final long LINGER_MILLIS = 200;

  /** Counts of one task that wait. */
  private record Counts(long success, long failure) {
    Counts plus(Counts other) {
      return new Counts(
          Math.addExact(success, other.success), Math.addExact(failure, other.failure));
    }
  }

  /** Somebody who waits until a message is dealt with. */
  private record Waiter(long message, CompletableFuture<Void> future) {}

  private final Calls calls;
  private final EventLoop loop;
  private final Consumer<Throwable> onError;
  private final List<Waiter> waiters = new ArrayList<>();
  private Map<String, Counts> waiting = new HashMap<>();
  private boolean isScheduled;

  /** The number of the message in flight, or of the last one. */
  private long message;

  private CompletableFuture<AddCountsResponse> call;
  private boolean isInFlight;
  private boolean isClosed;

  CountQueue(Calls calls, EventLoop loop, Consumer<Throwable> onError) {
    this.calls = calls;
    this.loop = loop;
    this.onError = onError;
  }

  /** Adds to the counters of a task. */
  synchronized void add(String taskId, long success, long failure) {
    if (success < 0 || failure < 0) {
      throw new IllegalArgumentException(
          "success is %d and failure %d; counts are not negative".formatted(success, failure));
    }
    waiting.merge(taskId, new Counts(success, failure), Counts::plus);
    if (!isScheduled && !isInFlight) {
      isScheduled = true;
      loop.after(LINGER_MILLIS, this::sendNext);
    }
  }

  /** Completes when what has been counted is durable, or refused. */
  synchronized CompletableFuture<Void> flush() {
    CompletableFuture<Void> future = new CompletableFuture<>();
    if (isClosed || (waiting.isEmpty() && !isInFlight)) {
      future.complete(null);
      return future;
    }
    waiters.add(new Waiter(waiting.isEmpty() ? message : message + 1, future));
    loop.execute(this::sendNext);
    return future;
  }

  /** Gives up what is not durable. */
  synchronized void close() {
    isClosed = true;
    if (call != null) {
      call.cancel(true);
    }
    waiters.forEach(waiter -> waiter.future().complete(null));
    waiters.clear();
  }

  private synchronized void sendNext() {
    isScheduled = false;
    if (isClosed || isInFlight || waiting.isEmpty()) {
      return;
    }
    message += 1;
    isInFlight = true;
    AddCountsRequest.Builder request =
        AddCountsRequest.newBuilder().setRequestId(UUID.randomUUID().toString());
    waiting.forEach(
        (taskId, counts) ->
            request.addCounts(
                CountDelta.newBuilder()
                    .setTaskId(taskId)
                    .setSuccess(counts.success())
                    .setFailure(counts.failure())));
    waiting = new HashMap<>();
    send(request.build(), 1);
  }

  private synchronized void send(AddCountsRequest request, int tries) {
    if (isClosed) {
      return;
    }
    call = calls.callAsync(TaskServiceGrpc.getAddCountsMethod(), request, null);
    call.whenCompleteAsync((answer, error) -> settled(request, answer, error, tries), loop);
  }

  private void settled(
      AddCountsRequest request, AddCountsResponse answer, Throwable error, int tries) {
    synchronized (this) {
      if (isClosed) {
        return;
      }
    }
    if (error != null) {
      onError.accept(error);
    } else {
      answer.getRejectionsList().forEach(rejection -> onError.accept(refusal(request, rejection)));
    }
    if (error instanceof MillpondException failure
        && failure.isWorthRepeating()
        && !calls.connection().isClosed()) {
      loop.after(Backoff.delayAfterMillis(failure, tries), () -> send(request, tries + 1));
    } else {
      dealtWith();
    }
  }

  private synchronized void dealtWith() {
    isInFlight = false;
    waiters.removeIf(waiter -> waiter.message() <= message && waiter.future().complete(null));
    sendNext();
  }

  private static Throwable refusal(AddCountsRequest request, CountRejection rejection) {
    ItemError error = rejection.getError();
    return new IllegalStateException(
        "counts of task %s refused: %s: %s"
            .formatted(
                request.getCounts(rejection.getIndex()).getTaskId(),
                ErrorDetails.nameOf(error.getReason()),
                error.getMessage()));
  }
}
