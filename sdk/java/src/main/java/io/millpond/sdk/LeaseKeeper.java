package io.millpond.sdk;

import io.millpond.v1.ExtendLeasesRequest;
import io.millpond.v1.ExtendLeasesResponse;
import io.millpond.v1.LeaseResult;
import io.millpond.v1.WorkerServiceGrpc;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Extends the leases of all attempts under way: by heartbeats of the worker's stream, or every
 * quarter of a lease by calls, so that one that fails leaves time for another. Aborts an attempt
 * when the server says so, and when the lease may have run out because the server was away. On the
 * worker's loop.
 */
final class LeaseKeeper {
  private static final int LEASES_MAX = 1_000;

  /** Whose leases are extended. */
  interface Owner {
    /** The attempts under way. */
    Collection<Attempt> attempts();

    /**
     * Sends a heartbeat by the worker's stream; answers how long leases last from then, if there is
     * one.
     */
    OptionalLong heartbeat(Collection<Attempt> attempts);

    /** Something went wrong and is being dealt with. */
    void told(Throwable error);
  }

  private final Calls calls;
  private final EventLoop loop;
  private final String workerId;
  private final Duration lease;
  private final Owner owner;
  private long everyMillis;
  private Future<?> timer;
  private int callsUnderWay;
  private boolean isStarted;

  LeaseKeeper(Calls calls, EventLoop loop, String workerId, Duration lease, Owner owner) {
    this.calls = calls;
    this.loop = loop;
    this.workerId = workerId;
    this.lease = lease;
    this.owner = owner;
    this.everyMillis = Math.max(1, lease.toMillis() / 4);
  }

  void start() {
    isStarted = true;
    schedule();
  }

  void stop() {
    isStarted = false;
    EventLoop.cancel(timer);
  }

  /**
   * Extends at once, and from then on as often as a server asks for, and no less often than for
   * calls.
   */
  void every(long millis) {
    everyMillis = Math.max(1, Math.min(millis, lease.toMillis() / 4));
    runOnce();
    schedule();
  }

  private void schedule() {
    EventLoop.cancel(timer);
    if (isStarted) {
      timer =
          loop.after(
              everyMillis,
              () -> {
                schedule();
                runOnce();
              });
    }
  }

  /** Extends every lease once, unless that is under way. */
  void runOnce() {
    abortExpired();
    long now = System.nanoTime();
    OptionalLong leaseMillis = owner.heartbeat(owner.attempts());
    if (leaseMillis.isPresent()) {
      // A heartbeat that is not taken ends the stream, and what it named is extended by the next
      // one, or by calls.
      long expiresAtNanos = now + TimeUnit.MILLISECONDS.toNanos(leaseMillis.getAsLong());
      owner.attempts().forEach(attempt -> attempt.leaseUntil(expiresAtNanos));
      return;
    }
    if (callsUnderWay > 0) {
      return;
    }
    List<Attempt> attempts = List.copyOf(owner.attempts());
    for (int from = 0; from < attempts.size(); from += LEASES_MAX) {
      extend(attempts.subList(from, Math.min(from + LEASES_MAX, attempts.size())));
    }
  }

  private void abortExpired() {
    long now = System.nanoTime();
    for (Attempt attempt : owner.attempts()) {
      if (attempt.isLeaseOver(now)) {
        attempt.abort(AbortReason.LEASE_LOST, "the lease ran out before it was extended");
      }
    }
  }

  private void extend(List<Attempt> attempts) {
    ExtendLeasesRequest.Builder request =
        ExtendLeasesRequest.newBuilder().setWorkerId(workerId).setLease(Durations.toProto(lease));
    attempts.forEach(attempt -> request.addLeases(attempt.lease()));
    callsUnderWay += 1;
    long sentAtNanos = System.nanoTime();
    CompletableFuture<ExtendLeasesResponse> call =
        calls.callAsync(WorkerServiceGrpc.getExtendLeasesMethod(), request.build(), lease);
    call.whenCompleteAsync(
        (answer, error) -> {
          callsUnderWay -= 1;
          if (error != null) {
            owner.told(error);
          } else {
            extended(attempts, answer.getResultsList(), sentAtNanos + Durations.nanos(lease));
          }
        },
        loop);
  }

  private static void extended(
      List<Attempt> attempts, List<LeaseResult> results, long expiresAtNanos) {
    for (int i = 0; i < Math.min(attempts.size(), results.size()); i++) {
      Attempt attempt = attempts.get(i);
      LeaseResult result = results.get(i);
      if (result.getCancelRequested()) {
        attempt.abort(AbortReason.CANCEL_REQUESTED, "the server asked to stop the attempt");
      } else if (result.hasError()) {
        attempt.abort(AbortReason.LEASE_LOST, result.getError().getMessage());
      } else {
        attempt.leaseUntil(expiresAtNanos);
      }
    }
  }
}
