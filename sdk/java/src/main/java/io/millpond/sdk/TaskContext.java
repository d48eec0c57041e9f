package io.millpond.sdk;

import io.millpond.v1.Assignment;
import io.millpond.v1.LogLevel;
import io.millpond.v1.Task;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * What a handler gets: its task, and ways to tell of the work. It may be used by several threads.
 *
 * <p>When a handler should stop, its thread is interrupted; {@link #abortReason} says why.
 */
public interface TaskContext {
  /**
   * Returns what the server has handed out, whole.
   *
   * @return the assignment
   */
  Assignment assignment();

  /**
   * Returns the task.
   *
   * @return the task, with its input and metadata
   */
  default Task task() {
    return assignment().getTask();
  }

  /**
   * Returns the number of the attempt.
   *
   * @return the number, from 1
   */
  default int attempt() {
    return assignment().getAttempt();
  }

  /**
   * Returns what the task works on.
   *
   * @return plain JSON (see {@link Json}); null: nothing, or JSON's null
   */
  default Object input() {
    return task().hasInput() ? Json.fromValue(task().getInput()) : null;
  }

  /**
   * Returns what the task works on, if that is an object.
   *
   * @return its fields
   * @throws IllegalStateException when the input is no object
   */
  default Map<String, Object> inputMap() {
    return Json.asMap(input(), "the input");
  }

  /**
   * Returns how the task's parents have ended, and what they produced.
   *
   * @return the parents by key, or by task id for one without a key
   */
  Map<String, ParentOutcome> parents();

  /**
   * Returns why the handler should stop.
   *
   * @return the reason; empty: it should go on
   */
  Optional<AbortReason> abortReason();

  /**
   * Ends the handler if it should stop.
   *
   * @throws AttemptAbortedException if it should
   */
  void throwIfAborted();

  /**
   * Names who is told, once, that the handler should stop: at once if it should already.
   *
   * @param listener is told the reason by the worker's thread, which it must not hold up; what it
   *     throws is told to the worker's error listener
   */
  void onAbort(Consumer<AbortReason> listener);

  /**
   * Tells the server that the work goes on, and waits until it has answered, however long it is
   * away. Not needed to keep the lease: the worker extends it. What goes wrong is told to the
   * worker's error listener.
   *
   * @param progress how far it is: plain JSON (see {@link Json}), at most 64 KiB; null leaves it
   * @throws InterruptedException when the handler should stop
   * @throws IllegalArgumentException when the progress is no JSON
   */
  void heartbeat(Object progress) throws InterruptedException;

  /**
   * As {@link #heartbeat}, without waiting. What is told while an earlier one still waits to be
   * sent goes with it: the last progress counts, and both have the same future.
   *
   * @param progress how far it is: plain JSON, at most 64 KiB; null leaves it
   * @return completes when the server has answered; never with an error
   * @throws IllegalArgumentException when the progress is no JSON
   */
  CompletableFuture<Void> heartbeatAsync(Object progress);

  /**
   * Adds a line of level INFO to the log of the attempt.
   *
   * @param message the text; what is too long for one line, 16,384 characters, becomes several
   */
  default void log(String message) {
    log(LogLevel.LOG_LEVEL_INFO, message);
  }

  /**
   * Adds a line to the log of the attempt. It returns at once: lines are sent together, a few times
   * a second, the last ones before the attempt is reported. While the server is away they wait, up
   * to 10,000 lines of an attempt; what does not fit is dropped, and a line says how many lines
   * that were. What is logged after the handler has ended is dropped.
   *
   * @param level how important it is
   * @param message the text; what is too long for one line, 16,384 characters, becomes several
   */
  void log(LogLevel level, String message);

  /**
   * Adds to the task's counters, each count once, whatever connection breaks. It returns at once:
   * counts are sent together, the last ones before the attempt is reported. What is refused is told
   * to the worker's error listener.
   *
   * @param success not negative
   * @param failure not negative
   * @throws IllegalArgumentException when one is negative
   */
  void count(long success, long failure);
}
