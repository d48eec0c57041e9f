package io.millpond.sdk;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import io.millpond.v1.AssignmentList;
import io.millpond.v1.LeaseRef;
import io.millpond.v1.WorkRequest;
import io.millpond.v1.WorkResponse;
import io.millpond.v1.WorkerCredit;
import io.millpond.v1.WorkerDrain;
import io.millpond.v1.WorkerHeartbeat;
import io.millpond.v1.WorkerServiceGrpc;
import io.millpond.v1.WorkerWelcome;
import java.time.Duration;
import java.util.Collection;
import java.util.Iterator;
import java.util.OptionalLong;
import java.util.concurrent.Future;

/** One stream of a worker, from hello to its end. On the worker's loop. */
final class WorkConnection {
  /**
   * How long a welcome may take: a proxy that does not let messages through both ways never brings
   * it.
   */
  private static final long WELCOME_MILLIS = 5_000;

  /** How long the end of the stream may take once this side has ended it. */
  private static final long CLOSE_MILLIS = 5_000;

  private static final int CREDIT_MAX = 10_000;
  private static final int LEASES_MAX = 1_000;
  private static final long HEARTBEAT_MILLIS_DEFAULT = 10_000;

  /** Is told that the stream has ended; without an error: null. */
  interface EndListener {
    void ended(WorkConnection connection, MillpondException error);
  }

  private final Connection connection;
  private final EventLoop loop;
  private final Duration silenceMax;
  private final WorkStream.Owner owner;
  private final FailureStreak streak;
  private final EndListener onEnd;
  private final ClientCall<WorkRequest, WorkResponse> call;
  private final long startedAtNanos = System.nanoTime();
  private OptionalLong leaseMillis = OptionalLong.empty();
  private long heardAtNanos;
  private Future<?> timer;

  /** Why this side has ended the stream; null: it has not. */
  private MillpondException givenUp;

  private boolean isLate;
  private boolean isDraining;
  private boolean wasDrained;
  private boolean sendsNoMore;

  /** Given and not used. */
  private int credit;

  private boolean isGiving;

  WorkConnection(
      Connection connection,
      EventLoop loop,
      Duration silenceMax,
      WorkStream.Owner owner,
      FailureStreak streak,
      EndListener onEnd) {
    this.connection = connection;
    this.loop = loop;
    this.silenceMax = silenceMax;
    this.owner = owner;
    this.streak = streak;
    this.onEnd = onEnd;
    this.call = connection.newCall(WorkerServiceGrpc.getWorkMethod(), CallOptions.DEFAULT);
  }

  void open() {
    call.start(new Listener(), new Metadata());
    call.request(1);
    send(WorkRequest.newBuilder().setHello(owner.hello()).build());
    timer = loop.after(WELCOME_MILLIS, this::late);
  }

  /** The lease that heartbeats extend to; empty: it has not been welcomed. */
  OptionalLong leaseMillis() {
    return leaseMillis;
  }

  boolean isWelcome() {
    return leaseMillis.isPresent();
  }

  /** Whether heartbeats go over it: it has been welcomed, and neither side has ended it. */
  boolean takesHeartbeats() {
    return isWelcome() && !sendsNoMore;
  }

  /** Whether the server has asked for another stream. */
  boolean wasDrained() {
    return wasDrained;
  }

  /** Whether no welcome came in time. */
  boolean isLate() {
    return isLate;
  }

  /** Sends a heartbeat that names the attempts under way. */
  void heartbeat(Collection<Attempt> attempts) {
    Iterator<Attempt> left = attempts.iterator();
    do {
      WorkerHeartbeat.Builder heartbeat = WorkerHeartbeat.newBuilder();
      while (left.hasNext() && heartbeat.getLeasesCount() < LEASES_MAX) {
        heartbeat.addLeases(left.next().lease());
      }
      send(WorkRequest.newBuilder().setHeartbeat(heartbeat).build());
    } while (left.hasNext());
  }

  /**
   * Says that a slot may have become free. What becomes free by then, in the loop, is given
   * together.
   */
  void slotsChanged() {
    if (!isGiving && isWelcome()) {
      isGiving = true;
      loop.execute(
          () -> {
            isGiving = false;
            give();
          });
    }
  }

  /** Takes no more tasks. One that has not been welcomed has none, and is ended. */
  void drain() {
    isDraining = true;
    if (isWelcome()) {
      send(WorkRequest.newBuilder().setDrain(WorkerDrain.getDefaultInstance()).build());
    } else {
      giveUp(Status.Code.CANCELLED, "the worker stops");
    }
  }

  /** Ends the stream: whatever has been assigned has come by then. */
  void close() {
    endSending();
    loop.after(CLOSE_MILLIS, this::abort);
  }

  /** Ends the stream at once. */
  void abort() {
    giveUp(Status.Code.CANCELLED, "the worker has stopped");
  }

  private void send(WorkRequest request) {
    if (!sendsNoMore) {
      call.sendMessage(request);
    }
  }

  private void endSending() {
    if (!sendsNoMore) {
      sendsNoMore = true;
      call.halfClose();
    }
  }

  private void giveUp(Status.Code code, String message) {
    if (givenUp == null) {
      givenUp = MillpondException.local(code, connection.address(), message, null);
      sendsNoMore = true;
      call.cancel(message, null);
    }
  }

  private void late() {
    isLate = true;
    String message = "no welcome came within " + WELCOME_MILLIS + " ms";
    giveUp(Status.Code.DEADLINE_EXCEEDED, message);
  }

  /**
   * Who stands in between may keep a connection to a server that has gone. Then heartbeats extend
   * nothing, whatever this side believes.
   */
  private void checkSilence() {
    long leftMillis = silenceMax.toMillis() - (System.nanoTime() - heardAtNanos) / 1_000_000;
    if (leftMillis > 0) {
      timer = loop.after(leftMillis, this::checkSilence);
      return;
    }
    connection.renew(startedAtNanos);
    giveUp(Status.Code.UNAVAILABLE, "no message for " + silenceMax.toMillis() + " ms");
  }

  private void give() {
    if (wasDrained || isDraining) {
      return;
    }
    int tasks = Math.min(owner.freeSlots(), CREDIT_MAX) - credit;
    if (tasks > 0) {
      credit += tasks;
      WorkerCredit.Builder more = WorkerCredit.newBuilder().setTasks(tasks);
      send(WorkRequest.newBuilder().setCredit(more).build());
    }
  }

  private void take(WorkResponse response) {
    if (givenUp != null) {
      return;
    }
    heardAtNanos = System.nanoTime();
    switch (response.getMessageCase()) {
      case WELCOME -> welcome(response.getWelcome());
      case ASSIGNMENTS -> assign(response.getAssignments());
      case CANCEL -> {
        LeaseRef.Builder lease = LeaseRef.newBuilder().setTaskId(response.getCancel().getTaskId());
        lease.setAttempt(response.getCancel().getAttempt());
        owner.cancelRequested(lease.build(), response.getCancel().getReason());
      }
      case LEASE_LOST -> owner.leaseLost(response.getLeaseLost().getLease());
      case DRAIN -> {
        // Another one is made; nothing waits for an answer of this one.
        wasDrained = true;
        endSending();
      }
      default -> {
        // Answers to reports and logs, which do not go this way, and what later versions say.
      }
    }
    call.request(1);
  }

  private void welcome(WorkerWelcome welcome) {
    long heartbeatMillis =
        welcome.hasHeartbeatInterval()
            ? Durations.toJava(welcome.getHeartbeatInterval()).toMillis()
            : HEARTBEAT_MILLIS_DEFAULT;
    leaseMillis =
        OptionalLong.of(
            welcome.hasLease()
                ? Durations.toJava(welcome.getLease()).toMillis()
                : 2 * heartbeatMillis);
    EventLoop.cancel(timer);
    streak.welcomed();
    checkSilence();
    owner.welcomed(heartbeatMillis);
    give();
  }

  private void assign(AssignmentList assigned) {
    credit -= assigned.getAssignmentsCount();
    if (assigned.getAssignmentsCount() > 0) {
      streak.progressed();
      owner.assigned(assigned.getAssignmentsList(), leaseMillis.orElse(0));
    }
    slotsChanged();
  }

  private void ended(Status status, Metadata trailers) {
    EventLoop.cancel(timer);
    sendsNoMore = true;
    MillpondException error = givenUp;
    if (error == null && !status.isOk()) {
      error = ErrorTranslation.translate(status.asRuntimeException(trailers), connection.address());
    }
    onEnd.ended(this, error);
  }

  private final class Listener extends ClientCall.Listener<WorkResponse> {
    @Override
    public void onMessage(WorkResponse message) {
      loop.execute(() -> take(message));
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      loop.execute(() -> ended(status, trailers));
    }
  }
}
