package io.millpond.sdk;

import io.millpond.v1.DedupeMatcher;
import io.millpond.v1.DependencyCondition;
import io.millpond.v1.JoinExecution;
import io.millpond.v1.NewTask;
import io.millpond.v1.Rule;
import io.millpond.v1.UnmetPolicy;
import io.millpond.v1.Webhook;
import io.millpond.v1.WorkerExecution;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A task to create, as {@link TaskGraph#task} lets it be described. What is not said takes the
 * default that the contract's {@code NewTask} names; bounds are checked by the server.
 */
public final class TaskSpec {
  private final NewTask.Builder task;

  TaskSpec(String key, String kind) {
    this.task = NewTask.newBuilder().setKey(key).setName(key).setKind(kind);
  }

  /**
   * Gives it a name for people. Default: its key.
   *
   * @param name 1 to 255 characters
   * @return this description
   */
  public TaskSpec name(String name) {
    task.setName(name);
    return this;
  }

  /**
   * Names parents that must succeed before it starts.
   *
   * @param parents references that the graph answered, or others
   * @return this description
   */
  public TaskSpec after(Parent... parents) {
    return depends(DependencyCondition.DEPENDENCY_CONDITION_UNSPECIFIED, parents);
  }

  /**
   * Names parents that must succeed before it starts.
   *
   * @param keys keys of tasks of the same graph, whether they have been added yet or not, or of the
   *     open batch
   * @return this description
   */
  public TaskSpec after(String... keys) {
    for (String key : keys) {
      after(Parent.key(key));
    }
    return this;
  }

  /**
   * Names parents that must end before it starts, in whatever way.
   *
   * @param parents references that the graph answered, or others
   * @return this description
   */
  public TaskSpec afterCompletion(Parent... parents) {
    return depends(DependencyCondition.DEPENDENCY_CONDITION_COMPLETED, parents);
  }

  /**
   * Names parents that must fail or be canceled before it starts.
   *
   * @param parents references that the graph answered, or others
   * @return this description
   */
  public TaskSpec afterFailure(Parent... parents) {
    return depends(DependencyCondition.DEPENDENCY_CONDITION_FAILURE, parents);
  }

  private TaskSpec depends(DependencyCondition condition, Parent... parents) {
    for (Parent parent : parents) {
      task.addDependencies(parent.toDependency(condition));
    }
    return this;
  }

  /**
   * Says what becomes of it when a dependency can no longer be met.
   *
   * @param policy the policy
   * @return this description
   */
  public TaskSpec unmetPolicy(UnmetPolicy policy) {
    task.setUnmetPolicy(policy);
    return this;
  }

  /**
   * Gives it searchable facts, which rules and deduplication read.
   *
   * @param metadata plain JSON, at most 64 KiB; see {@link Json}
   * @return this description
   * @throws IllegalArgumentException when it is no JSON
   */
  public TaskSpec metadata(Map<String, ?> metadata) {
    task.setMetadata(Json.toStruct(metadata));
    return this;
  }

  /**
   * Gives it what its executor works on.
   *
   * @param input plain JSON, at most 1 MiB; see {@link Json}; null is JSON's null
   * @return this description
   * @throws IllegalArgumentException when it is no JSON
   */
  public TaskSpec input(Object input) {
    task.setInput(Json.toValue(input));
    return this;
  }

  /**
   * Says how urgent it is. Default: 0.
   *
   * @param priority from -1000 to 1000; higher first
   * @return this description
   */
  public TaskSpec priority(int priority) {
    task.setPriority(priority);
    return this;
  }

  /**
   * Says how many items it will count. Default: not known.
   *
   * @param expectedCount not negative
   * @return this description
   */
  public TaskSpec expectedCount(long expectedCount) {
    task.setExpectedCount(expectedCount);
    return this;
  }

  /**
   * Says before when it does not start. Default: it may start at once.
   *
   * @param startTime the time
   * @return this description
   */
  public TaskSpec startTime(Instant startTime) {
    task.setStartTime(Durations.toProto(startTime));
    return this;
  }

  /**
   * Says how long its start webhook may take to be answered. Default: 30 s.
   *
   * @param timeout at most a day
   * @return this description
   */
  public TaskSpec startTimeout(Duration timeout) {
    task.setStartTimeout(Durations.toProto(timeout));
    return this;
  }

  /**
   * Says how long an attempt may go without a sign of life. Default: 60 s.
   *
   * @param timeout at most 366 days
   * @return this description
   */
  public TaskSpec inactivityTimeout(Duration timeout) {
    task.setInactivityTimeout(Durations.toProto(timeout));
    return this;
  }

  /**
   * Says how long an attempt may run. Default: without a limit.
   *
   * @param timeout at most 366 days
   * @return this description
   */
  public TaskSpec executionTimeout(Duration timeout) {
    task.setExecutionTimeout(Durations.toProto(timeout));
    return this;
  }

  /**
   * Says how long it may take from its creation, all attempts together. Default: without a limit.
   *
   * @param timeout at most 366 days
   * @return this description
   */
  public TaskSpec totalTimeout(Duration timeout) {
    task.setTotalTimeout(Durations.toProto(timeout));
    return this;
  }

  /**
   * Says how failed attempts are repeated. Default: they are not.
   *
   * @param description {@code r -> r.maxAttempts(3)}
   * @return this description
   */
  public TaskSpec retry(Consumer<? super RetrySpec> description) {
    RetrySpec retry = new RetrySpec();
    description.accept(retry);
    task.setRetry(retry.toRetryPolicy());
    return this;
  }

  /**
   * Adds limits that must all let it start.
   *
   * @param rules at most 20 in all
   * @return this description
   */
  public TaskSpec rules(Rule... rules) {
    task.addAllRules(List.of(rules));
    return this;
  }

  /**
   * Adds matchers: if one of them finds a task, this one is not created.
   *
   * @param matchers at most 10 in all
   * @return this description
   */
  public TaskSpec dedupe(DedupeMatcher... matchers) {
    task.addAllDedupe(List.of(matchers));
    return this;
  }

  /**
   * Has it executed by who receives a webhook, instead of by a worker of its kind.
   *
   * @param webhook is called when the task is to start
   * @return this description
   */
  public TaskSpec onStart(Webhook webhook) {
    task.setOnStart(webhook);
    return this;
  }

  /**
   * Has it executed by workers that have these labels, with equal values. Default: by any of its
   * kind.
   *
   * @param labels at most 50
   * @return this description
   */
  public TaskSpec requiredLabels(Map<String, String> labels) {
    task.setWorker(WorkerExecution.newBuilder().putAllRequiredLabels(labels));
    return this;
  }

  /**
   * Makes it a join: it does no work, and succeeds as soon as it may start.
   *
   * @return this description
   */
  public TaskSpec join() {
    task.setJoin(JoinExecution.getDefaultInstance());
    return this;
  }

  /**
   * Adds webhooks that are called after it has succeeded.
   *
   * @param webhooks at most 20 in all
   * @return this description
   */
  public TaskSpec onSuccess(Webhook... webhooks) {
    task.addAllOnSuccess(List.of(webhooks));
    return this;
  }

  /**
   * Adds webhooks that are called after it has failed.
   *
   * @param webhooks at most 20 in all
   * @return this description
   */
  public TaskSpec onFailure(Webhook... webhooks) {
    task.addAllOnFailure(List.of(webhooks));
    return this;
  }

  /**
   * Adds webhooks that are called after it was canceled.
   *
   * @param webhooks at most 20 in all
   * @return this description
   */
  public TaskSpec onCancel(Webhook... webhooks) {
    task.addAllOnCancel(List.of(webhooks));
    return this;
  }

  /**
   * Has its failure stop the batch.
   *
   * @return this description
   */
  public TaskSpec critical() {
    task.setCritical(true);
    return this;
  }

  /**
   * Has it canceled once every task that depends on it has ended.
   *
   * @return this description
   */
  public TaskSpec onlyForDependents() {
    task.setOnlyForDependents(true);
    return this;
  }

  /**
   * Says with whom it takes turns, say a tenant.
   *
   * @param key at most 255 characters
   * @return this description
   */
  public TaskSpec fairness(String key) {
    task.setFairnessKey(key);
    return this;
  }

  /**
   * Says with whom it takes turns, and how many of its tasks start where one of weight 1 does.
   *
   * @param key at most 255 characters
   * @param weight at most 1,000
   * @return this description
   */
  public TaskSpec fairness(String key, int weight) {
    task.setFairnessKey(key).setFairnessWeight(weight);
    return this;
  }

  NewTask toNewTask() {
    return task.build();
  }
}
