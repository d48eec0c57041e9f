package io.millpond.sdk;

/** Does the work of one attempt. */
@FunctionalInterface
public interface TaskHandler {
  /**
   * Does the work, on a thread of its own, which is interrupted when it should stop.
   *
   * @param context the task, and what can be told of the work
   * @return the task's output: plain JSON (see {@link Json}), or null for none; a {@code Value}
   *     with JSON's null is an output, too
   * @throws Exception what it throws is the attempt's failure: its message, and its code if it is a
   *     {@link TaskException}
   */
  Object handle(TaskContext context) throws Exception;
}
