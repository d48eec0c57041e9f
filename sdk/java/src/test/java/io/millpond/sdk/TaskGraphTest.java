package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Timestamp;
import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.DedupeMatcher;
import io.millpond.v1.Dependency;
import io.millpond.v1.DependencyCondition;
import io.millpond.v1.FailureCause;
import io.millpond.v1.NewBatch;
import io.millpond.v1.NewTask;
import io.millpond.v1.RetryPolicy;
import io.millpond.v1.Rule;
import io.millpond.v1.UnmetPolicy;
import io.millpond.v1.UploadTasksRequest;
import io.millpond.v1.Webhook;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TaskGraphTest {
  @Test
  void namesTasksByTheirKeys() {
    TaskGraph graph = TaskGraph.named("sample 7");
    TaskRef fetch = graph.task("fetch", "download");
    graph.task("align", "bwa", t -> t.name("Align it").after(fetch));
    CreateTasksRequest request = graph.toRequest();
    assertEquals(2, graph.size());
    assertEquals("sample 7", request.getNewBatch().getName());
    assertEquals("fetch", request.getTasks(0).getName());
    assertEquals("Align it", request.getTasks(1).getName());
    assertEquals("bwa", request.getTasks(1).getKind());
    assertEquals("fetch", request.getTasks(1).getDependencies(0).getKey());
  }

  @Test
  void dependsOnParentsOfEverySort() {
    TaskGraph graph = TaskGraph.create();
    TaskRef first = graph.task("first", "kind");
    graph.task(
        "last",
        "kind",
        t ->
            t.after(first)
                .after("later", "latest")
                .after(Parent.taskId("an id"))
                .afterCompletion(first)
                .afterFailure(Parent.key("later")));
    List<Dependency> dependencies = graph.toRequest().getTasks(1).getDependenciesList();
    assertEquals(
        List.of("first", "later", "latest", "", "first", "later"),
        dependencies.stream().map(Dependency::getKey).toList());
    assertEquals("an id", dependencies.get(3).getTaskId());
    assertEquals(
        DependencyCondition.DEPENDENCY_CONDITION_COMPLETED, dependencies.get(4).getCondition());
    assertEquals(
        DependencyCondition.DEPENDENCY_CONDITION_FAILURE, dependencies.get(5).getCondition());
  }

  @Test
  void saysEverythingThatTheContractCan() {
    TaskGraph graph = TaskGraph.create();
    Duration second = Duration.ofSeconds(1);
    graph.task("others", "kind", t -> t.requiredLabels(Map.of("gpu", "yes")));
    graph.task("join", "kind", t -> t.join());
    graph.task(
        "all",
        "kind",
        t ->
            t.after("join")
                .unmetPolicy(UnmetPolicy.UNMET_POLICY_SKIP)
                .metadata(Map.of("sample", 7))
                .input(List.of(1, 2))
                .priority(5)
                .expectedCount(3)
                .startTime(Instant.ofEpochSecond(7, 8))
                .startTimeout(second)
                .inactivityTimeout(second)
                .executionTimeout(second)
                .totalTimeout(Duration.ofMillis(1_500))
                .retry(r -> r.maxAttempts(3))
                .rules(Rule.getDefaultInstance())
                .dedupe(DedupeMatcher.getDefaultInstance())
                .onStart(Webhook.getDefaultInstance())
                .onSuccess(Webhook.getDefaultInstance())
                .onFailure(Webhook.getDefaultInstance())
                .onCancel(Webhook.getDefaultInstance())
                .critical()
                .onlyForDependents()
                .fairness("tenant", 2));
    Set<String> said = new HashSet<>();
    for (NewTask task : graph.toRequest().getTasksList()) {
      task.getAllFields().keySet().forEach(field -> said.add(field.getName()));
    }
    Set<String> fields = new HashSet<>();
    for (FieldDescriptor field : NewTask.getDescriptor().getFields()) {
      fields.add(field.getName());
    }
    assertEquals(fields, said);
    NewTask all = graph.toRequest().getTasks(2);
    assertEquals(500_000_000, all.getTotalTimeout().getNanos());
    assertEquals(Timestamp.newBuilder().setSeconds(7).setNanos(8).build(), all.getStartTime());
  }

  @Test
  void describesRetriesWithTimesOfJava() {
    TaskGraph graph = TaskGraph.create();
    graph.task(
        "a",
        "kind",
        t ->
            t.retry(
                r ->
                    r.maxAttempts(3)
                        .initialBackoff(Duration.ofMillis(100))
                        .multiplier(1.5)
                        .increment(Duration.ofSeconds(2))
                        .maxBackoff(Duration.ofMinutes(1))
                        .jitter(0)
                        .retryCauses(FailureCause.FAILURE_CAUSE_REPORTED)
                        .nonRetryableCodes("GONE")));
    RetryPolicy retry = graph.toRequest().getTasks(0).getRetry();
    assertEquals(RetryPolicy.getDescriptor().getFields().size(), retry.getAllFields().size());
    assertEquals(100_000_000, retry.getInitialBackoff().getNanos());
    assertEquals(60, retry.getMaxBackoff().getSeconds());
  }

  @Test
  void refusesWhatIsWrongAtOnceAndStaysAsItWas() {
    TaskGraph graph = TaskGraph.create();
    graph.task("a", "kind");
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> graph.task("a", "kind"));
    assertEquals("the graph has a task \"a\" already", error.getMessage());
    assertThrows(
        IllegalArgumentException.class, () -> graph.task("b", "kind", t -> t.input(new Object())));
    assertEquals(1, graph.size());
  }

  @Test
  void growsAnOpenBatch() {
    TaskGraph graph = TaskGraph.into("an open batch");
    assertEquals("an open batch", graph.toRequest().getBatchId());
    assertFalse(graph.toRequest().hasNewBatch());
    NewBatch batch = NewBatch.newBuilder().setOpen(true).build();
    assertEquals(batch, TaskGraph.of(batch).toRequest().getNewBatch());
  }

  @Test
  void isCutIntoParts() {
    TaskGraph graph = TaskGraph.named("large");
    for (int n = 0; n < 7; n++) {
      graph.task("task-" + n, "kind");
    }
    UploadOptions options = UploadOptions.defaults().withRequestId("once").withPartSize(3);
    UploadParts parts = new UploadParts(graph, options);
    List<Integer> sizes = new ArrayList<>();
    parts.forEach(part -> sizes.add(part.getTasksCount()));
    assertEquals(List.of(0, 3, 3, 1), sizes);
    UploadTasksRequest first = parts.iterator().next();
    assertEquals("once", first.getRequestId());
    assertEquals("large", first.getNewBatch().getName());
  }

  @Test
  void isCutWhereAPartWouldBeTooLarge() {
    TaskGraph graph = TaskGraph.into("an open batch");
    String megabyte = "x".repeat(1_000_000);
    for (int n = 0; n < 5; n++) {
      graph.task("task-" + n, "kind", t -> t.input(megabyte));
    }
    graph.task("huge", "kind", t -> t.input(megabyte.repeat(5)));
    List<Integer> sizes = new ArrayList<>();
    for (UploadTasksRequest part : new UploadParts(graph, UploadOptions.defaults())) {
      sizes.add(part.getTasksCount());
      assertTrue(part.getTasksCount() <= 1 || part.getSerializedSize() <= 4 * 1024 * 1024 + 100);
    }
    assertEquals(List.of(0, 4, 1, 1), sizes);
  }

  @Test
  void refusesPartsThatServersDoNotTake() {
    UploadOptions defaults = UploadOptions.defaults();
    assertThrows(IllegalArgumentException.class, () -> defaults.withPartSize(0));
    assertThrows(IllegalArgumentException.class, () -> defaults.withPartSize(5_001));
  }
}
