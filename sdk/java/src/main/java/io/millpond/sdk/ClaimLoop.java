package io.millpond.sdk;

import io.grpc.Status;
import io.millpond.v1.ClaimTasksResponse;
import java.time.Duration;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * Keeps claims waiting at the server for as many tasks as there are free slots, never for more. On
 * the worker's loop.
 */
final class ClaimLoop {
  /**
   * Claims that wait at the same time: while one's answer is on its way, another is there to be
   * handed tasks.
   */
  private static final int CLAIMS_MAX = 2;

  /**
   * The contract's bound of one call. Free slots beyond it are claimed for once a claim has been
   * answered.
   */
  private static final int TASKS_PER_CALL_MAX = 1_000;

  /** Answers to a claim that will not change by asking again. */
  private static final Set<Status.Code> FINAL_CODES =
      EnumSet.of(
          Status.Code.INVALID_ARGUMENT,
          Status.Code.UNAUTHENTICATED,
          Status.Code.PERMISSION_DENIED,
          Status.Code.UNIMPLEMENTED);

  /** For whom tasks are claimed. */
  interface Owner {
    /** The number of slots that neither have a task nor are claimed for. */
    int freeSlots();

    /** Claims up to so many tasks. */
    CompletableFuture<ClaimTasksResponse> claim(int maxTasks);

    /** Begins what was claimed at a time. */
    void claimed(ClaimTasksResponse answer, long sentAtNanos);

    /** A claim has ended, in whatever way: what it has not filled is free. */
    void claimEnded();

    /** The server refuses for good, for example the credentials. */
    void refused(Throwable error);

    /** Something went wrong and is being dealt with. */
    void told(Throwable error);
  }

  private final EventLoop loop;
  private final Duration wait;
  private final Owner owner;
  private final Set<CompletableFuture<ClaimTasksResponse>> underWay = new HashSet<>();

  /** Slots that claims under way may fill. */
  private int asked;

  private int failures;
  private boolean isClaiming;
  private boolean isStopped;

  /** Nothing is claimed until a pause is over. */
  private boolean isResting;

  private boolean isScheduled;

  ClaimLoop(EventLoop loop, Duration wait, Owner owner) {
    this.loop = loop;
    this.wait = wait;
    this.owner = owner;
  }

  /** Slots that claims under way may fill. */
  int asked() {
    return asked;
  }

  /** Whether no claim is under way. */
  boolean isIdle() {
    return underWay.isEmpty();
  }

  /** Claims, from now on. */
  void resume() {
    isClaiming = true;
    slotsChanged();
  }

  /**
   * Begins no more claims until {@link #resume}. Those under way may still bring tasks, and are
   * waited for: what an answer brings that nobody takes is a lost attempt.
   */
  void pause() {
    isClaiming = false;
  }

  /**
   * Claims no more, and ends what is under way: it may wait for long. What has been answered is
   * begun.
   */
  void stop() {
    isStopped = true;
    Set.copyOf(underWay).forEach(claim -> claim.cancel(true));
  }

  /**
   * Says that a slot may have become free. What becomes free by then, in the loop, is claimed
   * together.
   */
  void slotsChanged() {
    if (!isScheduled) {
      isScheduled = true;
      loop.execute(
          () -> {
            isScheduled = false;
            claimForFreeSlots();
          });
    }
  }

  private void claimForFreeSlots() {
    while (isClaiming && !isStopped && !isResting && underWay.size() < CLAIMS_MAX) {
      int free = owner.freeSlots();
      if (free <= 0) {
        return;
      }
      // Even shares, of which the last claim that is not under way takes what is left.
      int claims = CLAIMS_MAX - underWay.size();
      claim(Math.min((free + claims - 1) / claims, TASKS_PER_CALL_MAX));
    }
  }

  private void claim(int maxTasks) {
    asked += maxTasks;
    long sentAtNanos = System.nanoTime();
    CompletableFuture<ClaimTasksResponse> call = owner.claim(maxTasks);
    underWay.add(call);
    call.whenCompleteAsync(
        (answer, error) -> {
          asked -= maxTasks;
          underWay.remove(call);
          settled(answer, error, sentAtNanos);
          owner.claimEnded();
          slotsChanged();
        },
        loop);
  }

  private void settled(ClaimTasksResponse answer, Throwable error, long sentAtNanos) {
    if (error == null) {
      failures = 0;
      owner.claimed(answer, sentAtNanos);
      if (answer.getAssignmentsCount() == 0) {
        Backoff.delayAfterEmptyMillis(sentAtNanos, wait).ifPresent(this::rest);
      }
    } else if (!isStopped) {
      if (error instanceof MillpondException failure && FINAL_CODES.contains(failure.code())) {
        owner.refused(failure);
        return;
      }
      owner.told(error);
      failures += 1;
      rest(
          error instanceof MillpondException failure
              ? Backoff.delayAfterMillis(failure, failures)
              : Backoff.delayMillis(failures));
    }
  }

  private void rest(long millis) {
    isResting = true;
    loop.after(
        millis,
        () -> {
          isResting = false;
          claimForFreeSlots();
        });
  }
}
