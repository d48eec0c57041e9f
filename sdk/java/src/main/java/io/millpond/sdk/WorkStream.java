package io.millpond.sdk;

import io.grpc.Status;
import io.millpond.v1.Assignment;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.LeaseRef;
import io.millpond.v1.WorkerHello;
import java.time.Duration;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Future;

/**
 * Keeps a stream of the worker to a server, makes it anew when it is lost, and gives credit for
 * free slots, never for more. Reports and logs do not go over it: calls of their own carry many at
 * a time, and say of each why it was refused. On the worker's loop.
 *
 * <pre>
 * trying ── welcome ──► passes ── is lost: tries again at once ──► passes
 *   ▲  └── refused, or silent ──► none passes: tasks are claimed ◄── five failures in a row, or UNIMPLEMENTED ──┘
 *   └──────── after a while, longer each time ──┘
 * </pre>
 *
 * <p>A server that is away says nothing about whether streams pass: it is waited for.
 */
final class WorkStream {
  /**
   * From so many failures in a row on, none passes any more where one did: a proxy may have come
   * between.
   */
  private static final int FAILURES_MAX = 5;

  private static final int RETRY_GROWTH_MAX = 20;

  /** Failures that will not change by connecting again. */
  private static final Set<Status.Code> FINAL_CODES =
      EnumSet.of(
          Status.Code.INVALID_ARGUMENT, Status.Code.UNAUTHENTICATED, Status.Code.PERMISSION_DENIED);

  /** Failures of who cannot be reached, or not now: they say nothing about whether streams pass. */
  private static final Set<Status.Code> AWAY_CODES =
      EnumSet.of(
          Status.Code.UNAVAILABLE,
          Status.Code.ABORTED,
          Status.Code.CANCELLED,
          Status.Code.DEADLINE_EXCEEDED,
          Status.Code.RESOURCE_EXHAUSTED);

  /** Whose stream it is. */
  interface Owner {
    WorkerHello hello();

    /** The number of slots that neither have a task nor are claimed for. */
    int freeSlots();

    /** Tasks to begin, whose leases last so long from now, or from the next heartbeat. */
    void assigned(List<Assignment> assignments, long leaseMillis);

    /** An attempt is to stop. */
    void cancelRequested(LeaseRef lease, String reason);

    /** An attempt is no longer the worker's. */
    void leaseLost(LeaseRef lease);

    /** The stream takes tasks, and heartbeats so often. */
    void welcomed(long heartbeatMillis);

    /** No stream passes for now: tasks have to be claimed until the next welcome. */
    void nonePasses();

    /** The server refuses for good, for example the credentials. */
    void refused(Throwable error);

    /** The stream is closed, and nothing more will come of it. */
    void streamClosed();

    /** Something went wrong and is being dealt with. */
    void told(Throwable error);
  }

  private final Connection connection;
  private final EventLoop loop;
  private final Duration retry;
  private final Duration silenceMax;
  private final Owner owner;
  private WorkConnection current;
  private Future<?> timer;

  /** Whether one has passed since none did. */
  private boolean hasPassed;

  private FailureStreak streak = new FailureStreak();

  /** How often in a row none has passed. */
  private int misses;

  private boolean isStopped;

  WorkStream(
      Connection connection, EventLoop loop, Duration retry, Duration silenceMax, Owner owner) {
    this.connection = connection;
    this.loop = loop;
    this.retry = retry;
    this.silenceMax = silenceMax;
    this.owner = owner;
  }

  /** Keeps a stream from now on. */
  void start() {
    current = new WorkConnection(connection, loop, silenceMax, owner, streak, this::ended);
    current.open();
  }

  /** Whether no stream is under way. */
  boolean isClosed() {
    return current == null;
  }

  /**
   * Sends a heartbeat; answers how long leases last from then, if there is a stream that takes it.
   */
  OptionalLong heartbeat(Collection<Attempt> attempts) {
    if (current == null || !current.takesHeartbeats()) {
      return OptionalLong.empty();
    }
    current.heartbeat(attempts);
    return current.leaseMillis();
  }

  /** Says that a slot may have become free. */
  void slotsChanged() {
    if (current != null) {
      current.slotsChanged();
    }
  }

  /** Takes no more tasks. The stream goes on, for heartbeats; one that is lost is not made anew. */
  void drain() {
    isStopped = true;
    EventLoop.cancel(timer);
    if (current != null) {
      current.drain();
    }
  }

  /** Ends the stream: whatever has been assigned has come when its owner is told. */
  void close() {
    if (current != null) {
      current.close();
    }
  }

  /** Ends the stream at once. */
  void abort() {
    isStopped = true;
    EventLoop.cancel(timer);
    if (current != null) {
      current.abort();
    }
  }

  private void ended(WorkConnection ended, MillpondException error) {
    current = null;
    if (ended.isWelcome()) {
      hasPassed = true;
      misses = 0;
    }
    if (isStopped) {
      owner.streamClosed();
      return;
    }
    if (error != null && isFinal(error)) {
      owner.refused(error);
      return;
    }
    int failures = streak.ended();
    boolean isUnimplemented = error != null && error.code() == Status.Code.UNIMPLEMENTED;
    boolean mayPass = hasPassed && failures < FAILURES_MAX && !isUnimplemented;
    if (error != null && !ended.wasDrained()) {
      owner.told(error);
    }
    if (!mayPass && !isAway(ended, error)) {
      nonePasses();
      return;
    }
    long delay =
        error == null ? Backoff.delayMillis(failures) : Backoff.delayAfterMillis(error, failures);
    timer = loop.after(delay, this::start);
  }

  private void nonePasses() {
    owner.nonePasses();
    timer = loop.after(retryDelay(retry, misses).toMillis(), this::start);
    misses += 1;
    hasPassed = false;
    streak = new FailureStreak();
  }

  /**
   * How long to wait before a stream is tried again, after so many times in a row that none passed.
   */
  static Duration retryDelay(Duration first, int misses) {
    return first.multipliedBy(Math.min(1 << Math.min(misses, 30), RETRY_GROWTH_MAX));
  }

  /** Whether the end of a stream says nothing about whether streams pass. */
  private static boolean isAway(WorkConnection ended, MillpondException error) {
    if (error == null) {
      return ended.isWelcome();
    }
    return !ended.isLate() && AWAY_CODES.contains(error.code());
  }

  private boolean isFinal(MillpondException error) {
    if (connection.isClosed() || FINAL_CODES.contains(error.code())) {
      return true;
    }
    // Another worker of this name has come.
    return error.reason() == ErrorReason.ERROR_REASON_LEASE_LOST
        && error.metadata().containsKey("worker_id");
  }
}
