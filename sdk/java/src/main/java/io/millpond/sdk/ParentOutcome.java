package io.millpond.sdk;

import io.millpond.v1.ParentResult;
import io.millpond.v1.TaskStatus;
import java.util.Map;

/**
 * How a parent of a task has ended.
 *
 * @param taskId the parent
 * @param status how it ended
 * @param output what it produced, as plain JSON; null: nothing, JSON's null, or left out
 * @param hasOutput whether it produced something that is here
 * @param isOutputOmitted whether its output was left out, because those of all parents are too
 *     large to be handed out together: {@link Tasks#getTask} has it
 */
public record ParentOutcome(
    String taskId, TaskStatus status, Object output, boolean hasOutput, boolean isOutputOmitted) {
  static ParentOutcome of(ParentResult result) {
    Object output = result.hasOutput() ? Json.fromValue(result.getOutput()) : null;
    return new ParentOutcome(
        result.getTaskId(),
        result.getStatus(),
        output,
        result.hasOutput(),
        result.getOutputOmitted());
  }

  /**
   * Returns the output of a parent that produces an object.
   *
   * @return its fields
   * @throws IllegalStateException when the output is no object
   */
  public Map<String, Object> outputMap() {
    return Json.asMap(output, "the output of the parent");
  }
}
