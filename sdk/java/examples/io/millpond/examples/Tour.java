package io.millpond.examples;

import io.millpond.sdk.EventWatch;
import io.millpond.sdk.MillpondClient;
import io.millpond.sdk.MillpondException;
import io.millpond.sdk.TaskException;
import io.millpond.sdk.TaskGraph;
import io.millpond.sdk.TaskRef;
import io.millpond.sdk.Worker;
import io.millpond.v1.CreateTasksResponse;
import io.millpond.v1.Event;
import io.millpond.v1.EventFilter;
import io.millpond.v1.GetTaskRequest;
import io.millpond.v1.LogEntry;
import io.millpond.v1.TaskStatus;
import io.millpond.v1.WatchEventsRequest;
import io.millpond.v1.WatchEventsResponse;
import java.time.Duration;
import java.util.Map;

/** A graph from its creation to its end: run it beside a server. */
final class Tour {
  private Tour() {}

  /**
   * Runs the tour.
   *
   * @param args none
   */
  public static void main(String[] args) {
    // snippet: connect
    String address = System.getenv().getOrDefault("MILLPOND_ADDRESS", "http://127.0.0.1:8085");
    MillpondClient client = MillpondClient.connect(address);
    // end: connect

    CreateTasksResponse created = createGraph(client);
    Worker worker = makeWorker(client);
    watch(client, worker, created.getBatch().getBatchId());
    readLog(client, created.getTasks(0).getTaskId());
    meetError(client);

    worker.stop();
    client.close();
  }

  private static CreateTasksResponse createGraph(MillpondClient client) {
    // snippet: graph
    TaskGraph graph = TaskGraph.named("tour");
    TaskRef fetch = graph.task("fetch", "tour.fetch", t -> t.input(Map.of("sample", 7)));
    TaskRef align =
        graph.task(
            "align",
            "tour.align",
            t ->
                t.after(fetch).retry(r -> r.maxAttempts(3).initialBackoff(Duration.ofMillis(100))));
    graph.task("report", "tour.report", t -> t.afterCompletion(align));
    CreateTasksResponse created = client.tasks().createTasks(graph.toRequest());
    System.out.println("created " + created.getTasksCount() + " tasks");
    // end: graph
    return created;
  }

  private static Worker makeWorker(MillpondClient client) {
    // snippet: worker
    Worker worker =
        Worker.builder(client)
            .slots(10)
            .handle(
                "tour.fetch",
                context -> {
                  context.log("fetched sample 7");
                  return Map.of("reads", 1_000_000);
                })
            .handle(
                "tour.align",
                context -> {
                  if (context.attempt() == 1) {
                    throw new TaskException("the node is busy").withCode("NODE_BUSY");
                  }
                  Map<String, Object> fetched = context.parents().get("fetch").outputMap();
                  return Map.of("aligned", fetched.get("reads"));
                })
            .handle("tour.report", context -> null)
            .build();
    // end: worker
    return worker;
  }

  private static void watch(MillpondClient client, Worker worker, String batchId) {
    // snippet: watch
    EventFilter filter = EventFilter.newBuilder().addBatchIds(batchId).build();
    WatchEventsRequest request =
        WatchEventsRequest.newBuilder().setFilter(filter).setSnapshot(true).build();
    try (EventWatch watch = client.watch(request)) {
      messages:
      for (WatchEventsResponse message : watch) {
        if (message.hasSnapshotDone()) {
          worker.start();
        }
        for (Event event : message.getEvents().getEventsList()) {
          if (event.getTaskStatusChanged().getTo() == TaskStatus.TASK_STATUS_SUCCESS) {
            System.out.println(event.getKind() + ": SUCCESS");
          }
          if (event.hasBatchStatusChanged()) {
            String status = event.getBatchStatusChanged().getTo().name();
            System.out.println("batch: " + status.replaceFirst("BATCH_STATUS_", ""));
            break messages;
          }
        }
      }
    }
    // end: watch
  }

  private static void readLog(MillpondClient client, String taskId) {
    // snippet: logs
    for (LogEntry entry : client.logs(taskId)) {
      String level = entry.getLevel().name().replaceFirst("LOG_LEVEL_", "");
      System.out.println(level + " " + entry.getMessage());
    }
    // end: logs
  }

  private static void meetError(MillpondClient client) {
    // snippet: errors
    String taskId = "00000000-0000-7000-8000-000000000000";
    try {
      client.tasks().getTask(GetTaskRequest.newBuilder().setTaskId(taskId).build());
    } catch (MillpondException error) {
      System.out.println(error.reason().name().replaceFirst("ERROR_REASON_", ""));
    }
    // end: errors
  }
}
