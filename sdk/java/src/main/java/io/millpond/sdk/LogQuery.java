package io.millpond.sdk;

import java.util.Objects;

/**
 * Which log is read, and for how long.
 *
 * @param taskId the task
 * @param attempt the attempt, from 1; 0: the current one, or the last one
 * @param isFollowing whether to wait for more until the attempt is over; otherwise what there is is
 *     read
 */
public record LogQuery(String taskId, int attempt, boolean isFollowing) {
  /**
   * Checks the query.
   *
   * @param taskId not null
   * @param attempt from 1; 0: the current one, or the last one
   * @param isFollowing whether to wait for more
   */
  public LogQuery {
    Objects.requireNonNull(taskId, "taskId");
  }

  /**
   * Asks for what there is of a task's current attempt, or of its last one.
   *
   * @param taskId the task
   * @return the query
   */
  public static LogQuery of(String taskId) {
    return new LogQuery(taskId, 0, false);
  }

  /**
   * Asks for the same of another attempt.
   *
   * @param attempt the attempt, from 1
   * @return the query
   */
  public LogQuery withAttempt(int attempt) {
    return new LogQuery(taskId, attempt, isFollowing);
  }

  /**
   * Asks for the same up to the end of the attempt, waiting for what is not there yet.
   *
   * @return the query
   */
  public LogQuery following() {
    return new LogQuery(taskId, attempt, true);
  }
}
