package io.millpond.sdk;

import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.NewBatch;
import io.millpond.v1.NewTask;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * Collects tasks for one {@code CreateTasks} call, or for an upload.
 *
 * <pre>{@code
 * TaskGraph graph = TaskGraph.named("sample 7");
 * TaskRef fetch = graph.task("fetch", "download", t -> t.input(Map.of("sample", 7)));
 * graph.task("align", "bwa", t -> t.after(fetch));
 * client.tasks().createTasks(graph.toRequest());
 * }</pre>
 *
 * <p>It is not safe for use by several threads at the same time.
 */
public final class TaskGraph {
  private final CreateTasksRequest target;
  private final Map<String, NewTask> tasks = new LinkedHashMap<>();

  private TaskGraph(CreateTasksRequest target) {
    this.target = target;
  }

  /**
   * Begins a graph that becomes a batch of its own, without a name.
   *
   * @return the graph
   */
  public static TaskGraph create() {
    return of(NewBatch.getDefaultInstance());
  }

  /**
   * Begins a graph that becomes a batch of its own.
   *
   * @param name the batch's name for people, at most 255 characters
   * @return the graph
   */
  public static TaskGraph named(String name) {
    return of(NewBatch.newBuilder().setName(name).build());
  }

  /**
   * Begins a graph that becomes a batch of its own, with all that the contract can say of one.
   *
   * @param batch the batch
   * @return the graph
   */
  public static TaskGraph of(NewBatch batch) {
    return new TaskGraph(CreateTasksRequest.newBuilder().setNewBatch(batch).build());
  }

  /**
   * Begins a graph that an open batch grows by.
   *
   * @param batchId the batch
   * @return the graph
   */
  public static TaskGraph into(String batchId) {
    return new TaskGraph(CreateTasksRequest.newBuilder().setBatchId(batchId).build());
  }

  /**
   * Adds a task that has a key and a kind only.
   *
   * @param key its key, unique in the graph; also its name
   * @param kind what sort of work it is
   * @return a reference for tasks that come after it
   * @throws IllegalArgumentException when the key is taken
   */
  public TaskRef task(String key, String kind) {
    return task(key, kind, task -> {});
  }

  /**
   * Adds a task.
   *
   * @param key its key, unique in the graph; also its name, unless it is given one
   * @param kind what sort of work it is
   * @param description says more about it: {@code t -> t.after(fetch).priority(5)}
   * @return a reference for tasks that come after it
   * @throws IllegalArgumentException when the key is taken
   */
  public TaskRef task(String key, String kind, Consumer<? super TaskSpec> description) {
    Objects.requireNonNull(key, "key");
    if (tasks.containsKey(key)) {
      throw new IllegalArgumentException("the graph has a task \"" + key + "\" already");
    }
    TaskSpec task = new TaskSpec(key, kind);
    description.accept(task);
    tasks.put(key, task.toNewTask());
    return new TaskRef(key);
  }

  /**
   * Returns the number of tasks so far.
   *
   * @return the number
   */
  public int size() {
    return tasks.size();
  }

  /**
   * Makes the request for {@link Tasks#createTasks}, which takes up to 10,000 tasks; {@link
   * MillpondClient#upload} takes a larger graph.
   *
   * @return the request
   */
  public CreateTasksRequest toRequest() {
    return target.toBuilder().addAllTasks(tasks.values()).build();
  }

  /** Where to, without tasks. */
  CreateTasksRequest target() {
    return target;
  }

  Collection<NewTask> tasks() {
    return Collections.unmodifiableCollection(tasks.values());
  }
}
