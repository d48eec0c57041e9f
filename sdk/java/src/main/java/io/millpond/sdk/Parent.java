package io.millpond.sdk;

import io.millpond.v1.Dependency;
import io.millpond.v1.DependencyCondition;
import java.util.Objects;

/** A task that others depend on: one of the same graph or batch, or any that exists. */
public sealed interface Parent permits TaskRef, Parent.Existing {
  /**
   * Names a task of the same graph, whether it has been added yet or not, or of the open batch that
   * the graph grows.
   *
   * @param key its key
   * @return the parent
   */
  static Parent key(String key) {
    return new TaskRef(key);
  }

  /**
   * Names a task that exists, in whatever batch; it may have ended.
   *
   * @param taskId its id
   * @return the parent
   */
  static Parent taskId(String taskId) {
    return new Existing(taskId);
  }

  /**
   * A task that exists.
   *
   * @param taskId its id
   */
  record Existing(String taskId) implements Parent {
    /**
     * Names a task by its id.
     *
     * @param taskId not null
     */
    public Existing {
      Objects.requireNonNull(taskId, "taskId");
    }
  }

  /**
   * Makes the contract's message.
   *
   * @param condition when the parent lets its child start
   * @return the dependency
   */
  default Dependency toDependency(DependencyCondition condition) {
    Dependency.Builder dependency = Dependency.newBuilder().setCondition(condition);
    if (this instanceof Existing existing) {
      dependency.setTaskId(existing.taskId());
    } else if (this instanceof TaskRef task) {
      dependency.setKey(task.key());
    }
    return dependency.build();
  }
}
