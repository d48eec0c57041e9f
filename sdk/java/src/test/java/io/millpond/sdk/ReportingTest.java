package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.rpc.Code;
import io.grpc.Status;
import io.millpond.v1.AddCountsResponse;
import io.millpond.v1.AppendLogsResponse;
import io.millpond.v1.Assignment;
import io.millpond.v1.CountDelta;
import io.millpond.v1.CountRejection;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.ItemError;
import io.millpond.v1.LogEntry;
import io.millpond.v1.LogLevel;
import io.millpond.v1.ReportResult;
import io.millpond.v1.ReportTasksRequest;
import io.millpond.v1.ReportTasksResponse;
import io.millpond.v1.TaskReport;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ReportingTest {
  private static final ItemError INVALID =
      ItemError.newBuilder()
          .setReason(ErrorReason.ERROR_REASON_INVALID_FIELD)
          .setMessage("output: is too large")
          .build();

  private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();
  private FakeWork work;
  private Worker worker;
  private FakeWork.Stream stream;

  @BeforeEach
  void begin() throws IOException {
    work = new FakeWork();
  }

  @AfterEach
  void end() {
    worker.stopAsync();
    work.close();
  }

  /** Starts a worker with one handler, and assigns it a task. */
  private void handle(TaskHandler handler) throws InterruptedException {
    worker = work.worker().handle("task", handler).start();
    stream = work.nextStream();
    stream.assign(FakeWork.task("task"));
  }

  @Test
  void sendsTogetherWhatComesWhileACallIsInFlight() throws Exception {
    CountDownLatch late = new CountDownLatch(1);
    worker =
        work.worker()
            .slots(5)
            .handle("first", context -> null)
            .handle(
                "later",
                context -> {
                  late.await();
                  return null;
                })
            .start();
    stream = work.nextStream();
    stream.assign(FakeWork.task("first"));
    FakeWork.Call<ReportTasksRequest, ReportTasksResponse> call = FakeServer.take(work.reports);
    assertTrue(call.request().getBrief());
    stream.assign(later("a"), later("b"), later("c"));
    // Three slots are free again, and their reports due, once there is credit for all of them.
    int credit = 0;
    late.countDown();
    while (credit < 5 + 1 + 3) {
      credit += FakeServer.take(stream.requests).getCredit().getTasks();
    }
    FakeServer.answer(
        call.answer(),
        ReportTasksResponse.newBuilder().addResults(ReportResult.getDefaultInstance()).build());
    Set<String> together =
        work.takeReports().stream()
            .map(TaskReport::getTaskId)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(Set.of("a", "b", "c"), together);
  }

  private static Assignment later(String taskId) {
    Assignment.Builder assignment = FakeWork.task("later").toBuilder();
    assignment.getTaskBuilder().setTaskId(taskId);
    return assignment.build();
  }

  @Test
  void repeatsWhileTheServerIsAway() throws Exception {
    handle(context -> null);
    FakeServer.take(work.reports).answer().onError(Status.UNAVAILABLE.asRuntimeException());
    assertTrue(work.takeReport().hasSuccess());
  }

  @Test
  void sendsEachAloneWhereACallIsRefused() throws Exception {
    CountDownLatch first = new CountDownLatch(1);
    worker =
        work.worker()
            .handle(
                "later",
                context -> {
                  first.await();
                  return null;
                })
            .handle("first", context -> null)
            .start();
    stream = work.nextStream();
    stream.assign(FakeWork.task("first"), later("a"), later("b"));
    FakeWork.Call<ReportTasksRequest, ReportTasksResponse> call = FakeServer.take(work.reports);
    first.countDown();
    int credit = 0;
    while (credit < 10 + 3) {
      credit += FakeServer.take(stream.requests).getCredit().getTasks();
    }
    FakeServer.answer(
        call.answer(),
        ReportTasksResponse.newBuilder().addResults(ReportResult.getDefaultInstance()).build());
    FakeWork.Call<ReportTasksRequest, ReportTasksResponse> both = FakeServer.take(work.reports);
    assertEquals(2, both.request().getReportsCount());
    both.answer().onError(FakeServer.error(Code.INVALID_ARGUMENT, "INVALID_FIELD"));
    Set<String> alone = Set.of(work.takeReport().getTaskId(), work.takeReport().getTaskId());
    assertEquals(Set.of("a", "b"), alone);
  }

  @Test
  void reportsWhatATaskExceptionSays() throws Exception {
    handle(
        context -> {
          throw new TaskException("the node is busy")
              .withCode("NODE_BUSY")
              .withDetails(Map.of("node", 7))
              .withRetryDelay(Duration.ofMillis(1_500))
              .nonRetryable();
        });
    TaskReport.Failure failure = work.takeReport().getFailure();
    assertEquals("the node is busy", failure.getMessage());
    assertEquals("NODE_BUSY", failure.getCode());
    assertEquals(Map.of("node", 7L), Json.fromValue(failure.getDetails()));
    assertEquals(Duration.ofMillis(1_500), Durations.toJava(failure.getRetryDelay()));
    assertTrue(failure.getNonRetryable());
  }

  @Test
  void reportsWhateverIsThrown() throws Exception {
    handle(
        context -> {
          throw new StackOverflowError();
        });
    TaskReport.Failure failure = work.takeReport().getFailure();
    assertEquals("StackOverflowError", failure.getMessage());
    assertEquals("", failure.getCode());
    assertFalse(failure.getNonRetryable());
  }

  @Test
  void failsATaskWhoseOutputIsNoJson() throws Exception {
    handle(context -> Map.of("thread", Thread.currentThread()));
    TaskReport.Failure failure = work.takeReport().getFailure();
    assertEquals("OUTPUT_NOT_JSON", failure.getCode());
    assertTrue(failure.getNonRetryable());
  }

  @Test
  void failsATaskWhoseOutputTheServerRefuses() throws Exception {
    handle(context -> "large");
    assertTrue(work.refuseReport(INVALID).hasSuccess());
    TaskReport.Failure failure = work.takeReport().getFailure();
    assertEquals("OUTPUT_REFUSED", failure.getCode());
    assertEquals("the output was refused: output: is too large", failure.getMessage());
    assertTrue(failure.getNonRetryable());
    assertTrue(FakeServer.take(work.errors).getMessage().contains("INVALID_FIELD"));
  }

  @Test
  void makesNoFailureOfASuccessThatCannotBeReported() throws Exception {
    handle(context -> "done");
    FakeServer.take(work.reports).answer().onError(Status.INTERNAL.asRuntimeException());
    assertTrue(FakeServer.take(work.errors).getMessage().contains("INTERNAL"));
    worker.stop();
    assertEquals(0, work.reports.size());
  }

  @Test
  void leavesOutDetailsThatTheServerRefuses() throws Exception {
    handle(
        context -> {
          throw new TaskException("busy").withCode("NODE_BUSY").withDetails("large");
        });
    assertTrue(work.refuseReport(INVALID).getFailure().hasDetails());
    TaskReport.Failure failure = work.refuseReport(INVALID).getFailure();
    assertEquals("NODE_BUSY", failure.getCode());
    assertFalse(failure.hasDetails());
    assertEquals(0, work.reports.size());
  }

  @Test
  void waitsForTheAnswerToAHeartbeat() throws Exception {
    handle(
        context -> {
          context.heartbeat(Map.of("percent", 50));
          seen.add("answered");
          return null;
        });
    FakeWork.Call<ReportTasksRequest, ReportTasksResponse> call = FakeServer.take(work.reports);
    TaskReport report = call.request().getReports(0);
    assertEquals(Map.of("percent", 50L), Json.fromValue(report.getHeartbeat().getProgress()));
    assertEquals(0, seen.size());
    FakeServer.answer(
        call.answer(),
        ReportTasksResponse.newBuilder().addResults(ReportResult.getDefaultInstance()).build());
    assertEquals("answered", FakeServer.take(seen));
    assertTrue(work.takeReport().hasSuccess());
  }

  @Test
  void sendsHeartbeatsThatNobodyWaitsForTogether() throws Exception {
    CountDownLatch isOnItsWay = new CountDownLatch(1);
    handle(
        context -> {
          CompletableFuture<Void> first = context.heartbeatAsync(0);
          isOnItsWay.await();
          Set<CompletableFuture<Void>> later = new HashSet<>();
          for (int n = 1; n <= 10_000; n++) {
            later.add(context.heartbeatAsync(n));
          }
          later.add(context.heartbeatAsync(null));
          seen.add(later.size() + (later.contains(first) ? " with" : " without") + " the first");
          later.iterator().next().get();
          return null;
        });
    FakeWork.Call<ReportTasksRequest, ReportTasksResponse> call = FakeServer.take(work.reports);
    assertEquals(Json.toValue(0), call.request().getReports(0).getHeartbeat().getProgress());
    isOnItsWay.countDown();
    assertEquals("1 without the first", FakeServer.take(seen));
    FakeServer.answer(
        call.answer(),
        ReportTasksResponse.newBuilder().addResults(ReportResult.getDefaultInstance()).build());
    assertEquals(Json.toValue(10_000), work.takeReport().getHeartbeat().getProgress());
    assertTrue(work.takeReport().hasSuccess());
  }

  @Test
  void abortsAnAttemptWhoseHeartbeatIsRefused() throws Exception {
    handle(
        context -> {
          context.onAbort(reason -> seen.add(reason.name()));
          context.heartbeat(null);
          new CountDownLatch(1).await();
          return null;
        });
    work.refuseReport(
        ItemError.newBuilder().setReason(ErrorReason.ERROR_REASON_STALE_ATTEMPT).build());
    assertEquals("LEASE_LOST", FakeServer.take(seen));
  }

  @Test
  void hasLinesOfLogInBeforeTheReport() throws Exception {
    handle(
        context -> {
          context.log("one");
          context.log(LogLevel.LOG_LEVEL_WARN, "two\0");
          return null;
        });
    var call = FakeServer.take(work.logs);
    List<LogEntry> lines = call.request().getEntriesList();
    assertEquals(List.of("one", "two\u2400"), lines.stream().map(LogEntry::getMessage).toList());
    assertEquals(LogLevel.LOG_LEVEL_WARN, lines.get(1).getLevel());
    assertFalse(call.request().getRequestId().isEmpty());
    call.answer().onError(Status.UNAVAILABLE.asRuntimeException());
    var repeated = FakeServer.take(work.logs);
    assertEquals(call.request(), repeated.request());
    assertEquals(0, work.reports.size());
    FakeServer.answer(repeated.answer(), AppendLogsResponse.getDefaultInstance());
    assertTrue(work.takeReport().hasSuccess());
  }

  @Test
  void hasCountsInBeforeTheReport() throws Exception {
    handle(
        context -> {
          for (int i = 0; i < 100; i++) {
            context.count(2, 1);
          }
          return null;
        });
    long success = 0;
    long failure = 0;
    while (success < 200) {
      assertEquals(0, work.reports.size());
      var call = FakeServer.take(work.counts);
      assertFalse(call.request().getRequestId().isEmpty());
      CountDelta delta = call.request().getCounts(0);
      success += delta.getSuccess();
      failure += delta.getFailure();
      FakeServer.answer(call.answer(), AddCountsResponse.getDefaultInstance());
    }
    assertEquals(100, failure);
    assertTrue(work.takeReport().hasSuccess());
  }

  @Test
  void tellsWhichCountsAreRefused() throws Exception {
    handle(
        context -> {
          context.count(1, 0);
          return null;
        });
    ItemError ended = ItemError.newBuilder().setReason(ErrorReason.ERROR_REASON_TASK_ENDED).build();
    FakeServer.answer(
        FakeServer.take(work.counts).answer(),
        AddCountsResponse.newBuilder()
            .addRejections(CountRejection.newBuilder().setError(ended))
            .build());
    assertTrue(FakeServer.take(work.errors).getMessage().contains("TASK_ENDED"));
    work.takeReport();
  }

  @Test
  void refusesWhatCannotBeSaid() throws Exception {
    handle(
        context -> {
          try {
            context.count(-1, 0);
          } catch (IllegalArgumentException refused) {
            seen.add("count");
          }
          try {
            context.heartbeat(new Object());
          } catch (IllegalArgumentException refused) {
            seen.add("heartbeat");
          }
          return null;
        });
    work.takeReport();
    assertEquals(List.of("count", "heartbeat"), List.copyOf(seen));
  }
}
