package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Value;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.millpond.v1.Assignment;
import io.millpond.v1.ClaimTasksResponse;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.ParentResult;
import io.millpond.v1.TaskReport;
import io.millpond.v1.TaskStatus;
import io.millpond.v1.WorkRequest;
import io.millpond.v1.WorkRequest.MessageCase;
import io.millpond.v1.WorkerHello;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkerTest {
  private final CountDownLatch release = new CountDownLatch(1);
  private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();
  private FakeWork work;
  private Worker worker;

  @BeforeEach
  void begin() throws IOException {
    work = new FakeWork();
  }

  @AfterEach
  void end() {
    release.countDown();
    if (worker != null) {
      worker.stopAsync();
    }
    work.close();
  }

  /** Waits to be released, and tells how it went. */
  private Object hold(TaskContext context) throws InterruptedException {
    context.onAbort(reason -> seen.add("told " + reason));
    seen.add("begun");
    try {
      release.await();
      return null;
    } catch (InterruptedException interrupted) {
      seen.add("interrupted " + context.abortReason().orElseThrow());
      throw interrupted;
    }
  }

  private void assertSeen(String... expected) throws InterruptedException {
    for (String each : expected) {
      assertEquals(each, FakeServer.take(seen));
    }
  }

  @Test
  void saysWhoItIsAndGivesCreditForItsSlots() throws Exception {
    worker =
        work.worker()
            .workerId("me")
            .slots(3)
            .labels(Map.of("gpu", "yes"))
            .handle("hold", this::hold)
            .start();
    FakeWork.Stream stream = work.nextStream();
    WorkerHello hello = stream.next(MessageCase.HELLO).getHello();
    assertEquals("me", hello.getWorkerId());
    assertEquals(List.of("hold"), hello.getKindsList());
    assertEquals(Map.of("gpu", "yes"), hello.getLabelsMap());
    assertEquals(3, hello.getSlots());
    assertEquals(3, stream.next(MessageCase.CREDIT).getCredit().getTasks());
  }

  @Test
  void neverGivesCreditForASlotThatIsTaken() throws Exception {
    worker =
        work.worker().slots(2).handle("hold", this::hold).handle("short", context -> null).start();
    FakeWork.Stream stream = work.nextStream();
    assertEquals(2, stream.next(MessageCase.CREDIT).getCredit().getTasks());
    stream.assign(FakeWork.task("hold"), FakeWork.task("short"));
    assertEquals(1, stream.next(MessageCase.CREDIT).getCredit().getTasks());
    assertEquals("short", work.takeReport().getTaskId());
    release.countDown();
    assertEquals(1, stream.next(MessageCase.CREDIT).getCredit().getTasks());
    assertEquals("hold", work.takeReport().getTaskId());
  }

  @Test
  void reportsWhatAHandlerReturns() throws Exception {
    worker =
        work.worker()
            .handle("align", context -> Map.of("reads", context.parents().get("fetch").output()))
            .start();
    ParentResult fetch =
        ParentResult.newBuilder()
            .setStatus(TaskStatus.TASK_STATUS_SUCCESS)
            .setOutput(Json.toValue(7))
            .build();
    work.nextStream().assign(FakeWork.task("align").toBuilder().putParents("fetch", fetch).build());
    TaskReport report = work.takeReport();
    assertEquals(1, report.getAttempt());
    Value output = report.getSuccess().getOutput();
    assertEquals(Map.of("reads", 7L), Json.fromValue(output));
  }

  @Test
  void failsATaskWithoutAHandler() throws Exception {
    worker = work.worker().handle("known", context -> null).start();
    work.nextStream().assign(FakeWork.task("unknown"));
    assertTrue(work.takeReport().getFailure().getMessage().contains("\"unknown\""));
  }

  @Test
  void tellsAHandlerWhoseTaskIsCanceledAndReportsNothing() throws Exception {
    worker = work.worker().handle("hold", this::hold).handle("next", context -> null).start();
    FakeWork.Stream stream = work.nextStream();
    stream.assign(FakeWork.task("hold"));
    assertSeen("begun");
    stream.cancel(FakeWork.task("hold"));
    assertSeen("told CANCEL_REQUESTED", "interrupted CANCEL_REQUESTED");
    stream.assign(FakeWork.task("next"));
    assertEquals("next", work.takeReport().getTaskId());
  }

  @Test
  void tellsAHandlerWhoseLeaseIsLost() throws Exception {
    worker = work.worker().handle("hold", this::hold).start();
    FakeWork.Stream stream = work.nextStream();
    stream.assign(FakeWork.task("hold"));
    assertSeen("begun");
    Assignment another = FakeWork.task("hold").toBuilder().setAttempt(2).build();
    stream.lose(another);
    stream.lose(FakeWork.task("hold"));
    assertSeen("told LEASE_LOST", "interrupted LEASE_LOST");
  }

  @Test
  void doesNotInterruptTheNextHandlerOfAThread() throws Exception {
    worker =
        work.worker()
            .slots(1)
            .handle(
                "deaf",
                context -> {
                  CountDownLatch told = new CountDownLatch(1);
                  context.onAbort(reason -> told.countDown());
                  seen.add("begun");
                  while (told.getCount() > 0) {
                    Thread.onSpinWait();
                  }
                  return null;
                })
            .handle("next", context -> Thread.currentThread().isInterrupted())
            .start();
    FakeWork.Stream stream = work.nextStream();
    stream.assign(FakeWork.task("deaf"));
    assertSeen("begun");
    stream.cancel(FakeWork.task("deaf"));
    stream.assign(FakeWork.task("next"));
    assertEquals(false, Json.fromValue(work.takeReport().getSuccess().getOutput()));
  }

  @Test
  void makesABrokenStreamAnewWithWhatIsUnderWay() throws Exception {
    worker = work.worker().slots(2).handle("hold", this::hold).start();
    FakeWork.Stream first = work.nextStream();
    first.assign(FakeWork.task("hold"));
    assertSeen("begun");
    first.answers.onError(Status.UNAVAILABLE.asRuntimeException());
    FakeWork.Stream second = work.nextStream();
    assertEquals(
        List.of(FakeWork.leaseOf(FakeWork.task("hold"))),
        second.next(MessageCase.HEARTBEAT).getHeartbeat().getLeasesList());
    assertEquals(1, second.next(MessageCase.CREDIT).getCredit().getTasks());
    release.countDown();
    work.takeReport();
  }

  @Test
  void makesAnotherStreamWhereTheServerDrains() throws Exception {
    worker = work.worker().handle("hold", this::hold).start();
    FakeWork.Stream first = work.nextStream();
    first.next(MessageCase.CREDIT);
    first.drain();
    work.nextStream().next(MessageCase.CREDIT);
    assertTrue(first.hasEnded);
  }

  @Test
  void takesSilenceForABrokenStream() throws Exception {
    worker = work.worker().silenceMax(Duration.ofMillis(100)).handle("hold", this::hold).start();
    work.nextStream();
    work.nextStream();
    assertTrue(FakeServer.take(work.errors).getMessage().contains("no message for 100 ms"));
  }

  @Test
  void claimsWhereNoStreamPassesAndTriesItAgain() throws Exception {
    work.isStreaming = false;
    worker =
        work.worker()
            .slots(3)
            .streamRetry(Duration.ofMillis(200))
            .handle("short", context -> null)
            .start();
    var first = FakeServer.take(work.claims);
    var second = FakeServer.take(work.claims);
    assertEquals(3, first.request().getMaxTasks() + second.request().getMaxTasks());
    ClaimTasksResponse answer =
        ClaimTasksResponse.newBuilder().addAssignments(FakeWork.task("short")).build();
    FakeServer.answer(first.answer(), answer);
    assertEquals("short", work.takeReport().getTaskId());
    work.isStreaming = true;
    FakeWork.Stream stream = work.nextStream();
    // What claims under way may bring is not given again, until they have been answered.
    FakeServer.answer(second.answer(), ClaimTasksResponse.getDefaultInstance());
    int credit = 0;
    while (credit < 3) {
      WorkRequest request = stream.requests.poll(10, TimeUnit.MILLISECONDS);
      credit += request == null ? 0 : request.getCredit().getTasks();
      for (var claim = work.claims.poll(); claim != null; claim = work.claims.poll()) {
        FakeServer.answer(claim.answer(), ClaimTasksResponse.getDefaultInstance());
      }
    }
    assertEquals(3, credit);
  }

  @Test
  void neverAsksForMoreThanOneCallMayBring() throws Exception {
    worker = work.worker().stream(false).slots(2_500).handle("hold", this::hold).start();
    assertEquals(1_000, FakeServer.take(work.claims).request().getMaxTasks());
    assertEquals(1_000, FakeServer.take(work.claims).request().getMaxTasks());
  }

  @Test
  void extendsLeasesByCallsAndTellsWhatIsLost() throws Exception {
    worker =
        work.worker().stream(false)
            .lease(Duration.ofMillis(400))
            .handle("hold", this::hold)
            .start();
    ClaimTasksResponse answer =
        ClaimTasksResponse.newBuilder().addAssignments(FakeWork.task("hold")).build();
    FakeServer.answer(FakeServer.take(work.claims).answer(), answer);
    assertSeen("begun");
    assertEquals(
        List.of(FakeWork.leaseOf(FakeWork.task("hold"))),
        FakeServer.take(work.extensions).getLeasesList());
    // The answers name no lease: none is extended, as if the server were away.
    assertSeen("told LEASE_LOST", "interrupted LEASE_LOST");
  }

  @Test
  void endsWhenAnotherWorkerOfItsNameHasCome() throws Exception {
    worker = work.worker().handle("hold", this::hold).start();
    ErrorInfo info =
        ErrorInfo.newBuilder()
            .setDomain("millpond")
            .setReason("LEASE_LOST")
            .putMetadata("worker_id", "me")
            .build();
    work.nextStream().answers.onError(FakeServer.error(Code.FAILED_PRECONDITION, info));
    MillpondException error = assertThrows(MillpondException.class, worker::awaitEnd);
    assertEquals(ErrorReason.ERROR_REASON_LEASE_LOST, error.reason());
    worker.stop();
  }

  @Test
  void endsWhenClaimsAreRefused() throws Exception {
    worker = work.worker().stream(false).handle("hold", this::hold).start();
    Throwable refusal = FakeServer.error(Code.UNAUTHENTICATED, "UNAUTHENTICATED");
    FakeServer.take(work.claims).answer().onError(refusal);
    MillpondException error = assertThrows(MillpondException.class, worker::awaitEnd);
    assertEquals(Status.Code.UNAUTHENTICATED, error.code());
  }

  @Test
  void endsWithItsClient() throws Exception {
    worker = work.worker().handle("hold", this::hold).start();
    work.nextStream();
    work.client.close();
    assertThrows(MillpondException.class, worker::awaitEnd);
    worker.stop();
  }

  @Test
  void letsHandlersFinishWhenItStops() throws Exception {
    worker = work.worker().stopGrace(Duration.ofSeconds(60)).handle("hold", this::hold).start();
    FakeWork.Stream stream = work.nextStream();
    stream.assign(FakeWork.task("hold"));
    assertSeen("begun");
    var stopped = worker.stopAsync();
    stream.next(MessageCase.DRAIN);
    assertFalse(stopped.isDone());
    release.countDown();
    assertTrue(work.takeReport().hasSuccess());
    stopped.join();
    worker.awaitEnd();
    assertTrue(stream.hasEnded);
  }

  @Test
  void takesWhatWasOnItsWayWhenItStops() throws Exception {
    worker =
        work.worker().stopGrace(Duration.ofSeconds(60)).handle("short", context -> null).start();
    FakeWork.Stream stream = work.nextStream();
    stream.next(MessageCase.CREDIT);
    stream.assign(FakeWork.task("short"));
    var stopped = worker.stopAsync();
    assertEquals("short", work.takeReport().getTaskId());
    stopped.join();
  }

  @Test
  void abortsHandlersWhenItsGraceIsOver() throws Exception {
    worker = work.worker().handle("hold", this::hold).start();
    work.nextStream().assign(FakeWork.task("hold"));
    assertSeen("begun");
    var stopped = worker.stopAsync();
    assertSeen("told WORKER_STOPPED", "interrupted WORKER_STOPPED");
    TaskReport report = work.takeReport();
    assertEquals("WORKER_STOPPED", report.getFailure().getCode());
    stopped.join();
  }

  @Test
  void stopsThoughAHandlerNeverReturns() throws Exception {
    worker =
        work.worker()
            .handle(
                "hang",
                context -> {
                  seen.add("begun");
                  while (release.getCount() > 0) {
                    Thread.onSpinWait();
                    Thread.yield();
                  }
                  return null;
                })
            .start();
    work.nextStream().assign(FakeWork.task("hang"));
    assertSeen("begun");
    worker.stop();
    assertTrue(worker.done().isDone());
  }

  @Test
  void stopsBeforeAServerHasAnswered() throws Exception {
    try (ServerSocket mute = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        MillpondClient client = MillpondClient.connect("127.0.0.1:" + mute.getLocalPort())) {
      Worker lost = Worker.builder(client).handle("hold", this::hold).start();
      lost.stop();
      lost.awaitEnd();
    }
  }

  @Test
  void leavesNoThreadBehind() throws Exception {
    worker = work.worker().handle("short", context -> Thread.currentThread().getName()).start();
    work.nextStream().assign(FakeWork.task("short"));
    Object name = Json.fromValue(work.takeReport().getSuccess().getOutput());
    assertTrue(assertInstanceOf(String.class, name).startsWith("millpond-handler"));
    Thread loop = threadWith("millpond-worker");
    Thread handler = threadWith(String.valueOf(name));
    worker.stop();
    loop.join();
    handler.join();
  }

  private static Thread threadWith(String name) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void refusesWhatCannotWork() {
    assertThrows(IllegalStateException.class, () -> work.worker().build());
    assertThrows(IllegalArgumentException.class, () -> work.worker().slots(0));
    assertThrows(IllegalArgumentException.class, () -> work.worker().slots(10_001));
    assertThrows(IllegalArgumentException.class, () -> work.worker().lease(Duration.ofSeconds(-1)));
  }
}
