package io.millpond.sdk;

import io.millpond.v1.Assignment;
import io.millpond.v1.ClaimTasksRequest;
import io.millpond.v1.ClaimTasksResponse;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.ItemError;
import io.millpond.v1.LeaseRef;
import io.millpond.v1.LogLevel;
import io.millpond.v1.ReportResult;
import io.millpond.v1.TaskReport;
import io.millpond.v1.WorkerHello;
import io.millpond.v1.WorkerServiceGrpc;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The worker behind {@link Worker}: takes tasks, runs their handlers, reports. Everything is
 * decided on its loop; handlers have threads of their own.
 */
final class WorkerCore
    implements WorkStream.Owner, ClaimLoop.Owner, ReportQueue.Owner, LeaseKeeper.Owner {
  /** How long aborted handlers and their reports may take before the worker stops without them. */
  private static final long ABANDON_MILLIS = 5_000;

  private static final TaskHandler NO_HANDLER =
      context -> {
        throw new IllegalStateException(
            "the worker has no handler for kind \"" + context.task().getKind() + "\"");
      };

  private final WorkerOptions options;
  private final ErrorListener errors;
  private final EventLoop loop;
  private final ThreadPoolExecutor threads;
  private final WorkStream stream;
  private final ClaimLoop claims;
  private final LeaseKeeper leases;
  private final ReportQueue reports;
  private final LogQueue logs;
  private final CountQueue counts;
  private final CompletableFuture<Void> done = new CompletableFuture<>();
  private final CompletableFuture<Void> stopped = new CompletableFuture<>();

  /** Attempts until their closing report is dealt with. */
  private final Set<Attempt> running = new LinkedHashSet<>();

  /** Those whose handler has not ended. */
  private int executing;

  private boolean isStopping;
  private boolean isGraceOver;

  WorkerCore(WorkerOptions options) {
    this.options = options;
    this.errors = new ErrorListener(options.onError());
    this.loop = new EventLoop("millpond-worker", errors);
    this.threads =
        new ThreadPoolExecutor(
            options.slots(),
            options.slots(),
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            Threads.daemons("millpond-handler"));
    this.threads.allowCoreThreadTimeOut(true);
    Calls calls = options.calls();
    this.stream =
        new WorkStream(calls.connection(), loop, options.streamRetry(), options.silenceMax(), this);
    this.claims = new ClaimLoop(loop, options.claimWait(), this);
    this.leases = new LeaseKeeper(calls, loop, options.workerId(), options.lease(), this);
    this.reports = new ReportQueue(calls, loop, this);
    this.logs = new LogQueue(calls, loop, this::told);
    this.counts = new CountQueue(calls, loop, this::told);
  }

  /**
   * Completes when the worker has stopped; with the error, as soon as the server refuses it for
   * good.
   */
  CompletableFuture<Void> done() {
    return done;
  }

  void start() {
    loop.execute(
        () -> {
          if (isStopping) {
            return;
          }
          leases.start();
          if (options.isStreaming()) {
            stream.start();
          } else {
            claims.resume();
          }
        });
  }

  /** Completes when the worker has stopped, in whatever way. */
  CompletableFuture<Void> stopped() {
    return stopped;
  }

  /** Takes no more tasks, lets handlers finish, then aborts them. */
  void stop() {
    loop.execute(this::beginStop);
  }

  private void beginStop() {
    if (isStopping) {
      return;
    }
    isStopping = true;
    stream.drain();
    claims.stop();
    loop.after(options.stopGrace().toMillis(), this::endGrace);
    advanceStop();
  }

  private void endGrace() {
    isGraceOver = true;
    running.forEach(WorkerCore::abortAsStopped);
    loop.after(ABANDON_MILLIS, this::finish);
  }

  private static void abortAsStopped(Attempt attempt) {
    attempt.abort(AbortReason.WORKER_STOPPED, "the worker stops");
  }

  /**
   * Stops when nothing is under way. The stream takes heartbeats until the last attempt has ended;
   * what was on its way when it was told to bring no more has come when it is closed.
   */
  private void advanceStop() {
    if (!isStopping || !running.isEmpty() || !claims.isIdle()) {
      return;
    }
    if (stream.isClosed()) {
      finish();
    } else {
      stream.close();
    }
  }

  private void finish() {
    leases.stop();
    stream.abort();
    reports.close();
    logs.close();
    counts.close();
    threads.shutdownNow();
    errors.close();
    loop.close();
    done.complete(null);
    stopped.complete(null);
  }

  // Tasks come.

  @Override
  public WorkerHello hello() {
    return WorkerHello.newBuilder()
        .setWorkerId(options.workerId())
        .addAllKinds(options.handlers().keySet())
        .putAllLabels(options.labels())
        .setSlots(options.slots())
        .build();
  }

  @Override
  public int freeSlots() {
    // A slot is free while its report is on its way; as many may be on their way as there are
    // slots.
    int taken = Math.max(executing, running.size() - options.slots());
    return options.slots() - taken - claims.asked();
  }

  @Override
  public CompletableFuture<ClaimTasksResponse> claim(int maxTasks) {
    ClaimTasksRequest request =
        ClaimTasksRequest.newBuilder()
            .setWorkerId(options.workerId())
            .addAllKinds(options.handlers().keySet())
            .putAllLabels(options.labels())
            .setMaxTasks(maxTasks)
            .setWaitTimeout(Durations.toProto(options.claimWait()))
            .setLease(Durations.toProto(options.lease()))
            .build();
    return options.calls().callAsync(WorkerServiceGrpc.getClaimTasksMethod(), request, null);
  }

  @Override
  public void claimed(ClaimTasksResponse answer, long sentAtNanos) {
    assigned(answer.getAssignmentsList(), options.lease().toMillis());
  }

  @Override
  public void claimEnded() {
    stream.slotsChanged();
    advanceStop();
  }

  @Override
  public void assigned(List<Assignment> assignments, long leaseMillis) {
    // The leases began before they came, by the server's clock: a third is kept in reserve.
    long expiresAtNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(leaseMillis * 2 / 3);
    assignments.forEach(assignment -> begin(new Attempt(assignment, expiresAtNanos)));
  }

  private void begin(Attempt attempt) {
    running.add(attempt);
    executing += 1;
    if (isGraceOver) {
      abortAsStopped(attempt);
    }
    TaskHandler handler = options.handlers().getOrDefault(attempt.kind(), NO_HANDLER);
    threads.execute(
        () -> {
          TaskReport report = attempt.run(handler, new AttemptContext(attempt, this));
          loop.execute(() -> handlerEnded(attempt, report));
        });
  }

  // Tasks end.

  private void handlerEnded(Attempt attempt, TaskReport report) {
    executing -= 1;
    // Credit goes first: then it is there when what the report makes ready is handed out.
    slotsChanged();
    boolean waitsForCounts = attempt.hasCounted() && !attempt.isDisowned();
    if (!waitsForCounts && !logs.holds(attempt)) {
      close(attempt, report);
      return;
    }
    // A task that has ended takes no counts, and its last lines are there when it has ended for
    // everybody.
    CompletableFuture.allOf(
            waitsForCounts ? counts.flush() : CompletableFuture.completedFuture(null),
            logs.finish(attempt))
        .whenCompleteAsync((nothing, impossible) -> close(attempt, report), loop);
  }

  private void close(Attempt attempt, TaskReport report) {
    if (attempt.isDisowned()) {
      ended(attempt);
    } else {
      reports.add(ReportQueue.Entry.closing(attempt, report));
    }
  }

  private void ended(Attempt attempt) {
    running.remove(attempt);
    slotsChanged();
    advanceStop();
  }

  private void slotsChanged() {
    stream.slotsChanged();
    claims.slotsChanged();
  }

  @Override
  public void answered(ReportQueue.Entry entry, ReportResult result) {
    Attempt attempt = entry.attempt();
    if (result.getCancelRequested()) {
      attempt.abort(AbortReason.CANCEL_REQUESTED, "the server asked to stop the attempt");
    }
    if (!result.hasError()) {
      dealtWith(entry);
      return;
    }
    ItemError error = result.getError();
    switch (error.getReason()) {
      case ERROR_REASON_TASK_ENDED -> {
        // Of a closing report: its first answer was lost. Of a heartbeat: somebody else ended the
        // task.
        attempt.abort(AbortReason.CANCEL_REQUESTED, error.getMessage());
        dealtWith(entry);
        return;
      }
      case ERROR_REASON_STALE_ATTEMPT, ERROR_REASON_LEASE_LOST ->
          attempt.abort(AbortReason.LEASE_LOST, error.getMessage());
      default -> {}
    }
    told(
        new IllegalStateException(
            "report on task %s refused: %s: %s"
                .formatted(
                    attempt.taskId(), ErrorDetails.nameOf(error.getReason()), error.getMessage())));
    if (error.getReason() == ErrorReason.ERROR_REASON_INVALID_FIELD) {
      reportInstead(entry, error.getMessage());
    } else {
      dealtWith(entry);
    }
  }

  @Override
  public void refused(ReportQueue.Entry entry, Throwable error) {
    told(error);
    if (Reports.blamesContent(error)) {
      reportInstead(entry, Reports.textOf(error));
    } else {
      dealtWith(entry);
    }
  }

  /**
   * Reports what can be said instead of a closing report that was refused: once, as nothing is left
   * then.
   */
  private void reportInstead(ReportQueue.Entry entry, String refusal) {
    Reports.insteadOf(entry.report(), refusal)
        .ifPresentOrElse(
            report -> reports.add(ReportQueue.Entry.closing(entry.attempt(), report)),
            () -> dealtWith(entry));
  }

  private void dealtWith(ReportQueue.Entry entry) {
    if (entry.heartbeat() == null) {
      ended(entry.attempt());
    } else {
      entry.heartbeat().complete();
    }
  }

  // Leases.

  @Override
  public Collection<Attempt> attempts() {
    return running;
  }

  @Override
  public OptionalLong heartbeat(Collection<Attempt> attempts) {
    return stream.heartbeat(attempts);
  }

  @Override
  public void cancelRequested(LeaseRef lease, String reason) {
    String message = reason.isEmpty() ? "the server asked to stop the attempt" : reason;
    abort(lease, AbortReason.CANCEL_REQUESTED, message);
  }

  @Override
  public void leaseLost(LeaseRef lease) {
    abort(lease, AbortReason.LEASE_LOST, "the attempt is no longer this worker's");
  }

  private void abort(LeaseRef lease, AbortReason reason, String message) {
    running.stream()
        .filter(attempt -> attempt.number() == lease.getAttempt())
        .filter(attempt -> attempt.taskId().equals(lease.getTaskId()))
        .forEach(attempt -> attempt.abort(reason, message));
  }

  // The stream comes and goes.

  @Override
  public void welcomed(long heartbeatMillis) {
    claims.pause();
    leases.every(heartbeatMillis);
  }

  @Override
  public void nonePasses() {
    claims.resume();
  }

  @Override
  public void streamClosed() {
    advanceStop();
  }

  @Override
  public void refused(Throwable error) {
    if (done.completeExceptionally(error)) {
      // For whoever does not look at how the worker ends.
      errors.accept(error);
    }
    beginStop();
  }

  @Override
  public void told(Throwable error) {
    errors.accept(error);
    if (options.calls().connection().isClosed()) {
      loop.execute(() -> refused(error));
    }
  }

  // What handlers say meanwhile, on threads of theirs.

  Heartbeat heartbeat(Attempt attempt, TaskReport report) {
    return attempt.heartbeat(
        report,
        heartbeat -> {
          ReportQueue.Entry entry = ReportQueue.Entry.of(attempt, heartbeat);
          if (!loop.tryExecute(() -> reports.add(entry))) {
            heartbeat.complete();
          }
        });
  }

  void log(Attempt attempt, LogLevel level, String message) {
    logs.add(attempt, level, message);
  }

  void count(Attempt attempt, long success, long failure) {
    counts.add(attempt.taskId(), success, failure);
    attempt.hasCounted(true);
  }
}
