package io.millpond.sdk;

import java.util.Objects;

/**
 * A task of a graph, as {@link TaskGraph#task} answers it: name it in {@link TaskSpec#after}.
 *
 * @param key its key
 */
public record TaskRef(String key) implements Parent {
  /**
   * Names a task by its key.
   *
   * @param key not null
   */
  public TaskRef {
    Objects.requireNonNull(key, "key");
  }
}
