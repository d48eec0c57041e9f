package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.millpond.v1.AppendLogsResponse;
import io.millpond.v1.LogLevel;
import io.millpond.v1.WorkRequest.MessageCase;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What callbacks of the program may do to the worker that calls them. */
@Timeout(60)
class WorkerCallbacksTest {
  private static final int DEADLINE_SECONDS = 20;

  private final CountDownLatch release = new CountDownLatch(1);
  private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();
  private FakeWork work;

  @BeforeEach
  void begin() throws IOException {
    work = new FakeWork();
  }

  @AfterEach
  void end() {
    release.countDown();
    work.close();
  }

  private Object hold(TaskContext context) throws InterruptedException {
    seen.add("begun");
    release.await();
    return null;
  }

  private static void waitFor(CompletableFuture<?> future) throws Exception {
    future.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
  }

  @Test
  void letsTheErrorListenerStopTheWorker() throws Exception {
    CompletableFuture<Worker> started = new CompletableFuture<>();
    CompletableFuture<Void> stopped = new CompletableFuture<>();
    Worker worker =
        work.worker()
            .handle("any", context -> null)
            .onError(
                error -> {
                  started.join().stop();
                  stopped.complete(null);
                })
            .start();
    started.complete(worker);
    FakeServer.take(work.streams).answers.onError(Status.UNAVAILABLE.asRuntimeException());
    waitFor(stopped);
  }

  @Test
  void letsWhoIsToldOfItsEndStopTheWorker() throws Exception {
    Worker worker = work.worker().handle("any", context -> null).start();
    CompletableFuture<?> ended = worker.done().whenComplete((nothing, error) -> worker.stop());
    FakeServer.take(work.streams).answers.onError(Status.UNAUTHENTICATED.asRuntimeException());
    waitFor(ended.handle((nothing, error) -> null));
  }

  @Test
  void goesOnWhileTheErrorListenerBlocks() throws Exception {
    Worker worker =
        work.worker()
            .handle("any", context -> null)
            .onError(
                error -> {
                  seen.add("told");
                  try {
                    release.await();
                  } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                  }
                })
            .start();
    FakeServer.take(work.streams).answers.onError(Status.UNAVAILABLE.asRuntimeException());
    assertEquals("told", FakeServer.take(seen));
    work.nextStream().assign(FakeWork.task("any"));
    assertTrue(work.takeReport().hasSuccess());
    waitFor(worker.stopAsync());
  }

  @Test
  void letsWhoWaitsForAHeartbeatSendAnother() throws Exception {
    Worker worker =
        work.worker()
            .handle(
                "any",
                context -> {
                  context.heartbeatAsync(1).thenRun(() -> heartbeat(context)).get();
                  return null;
                })
            .start();
    work.nextStream().assign(FakeWork.task("any"));
    assertEquals(Json.toValue(1), work.takeReport().getHeartbeat().getProgress());
    assertEquals(Json.toValue(2), work.takeReport().getHeartbeat().getProgress());
    assertTrue(work.takeReport().hasSuccess());
    waitFor(worker.stopAsync());
  }

  private static void heartbeat(TaskContext context) {
    try {
      context.heartbeat(2);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void abortsTheOthersWhenAnAbortListenerThrows() throws Exception {
    TaskHandler throwing =
        context -> {
          context.onAbort(
              reason -> {
                throw new IllegalStateException("a listener of a handler");
              });
          context.onAbort(reason -> seen.add("told"));
          return hold(context);
        };
    Worker worker = work.worker().handle("throwing", throwing).handle("hold", this::hold).start();
    work.nextStream().assign(FakeWork.task("throwing"), FakeWork.task("hold"));
    assertEquals("begun", FakeServer.take(seen));
    assertEquals("begun", FakeServer.take(seen));
    CompletableFuture<Void> stopped = worker.stopAsync();
    assertEquals("told", FakeServer.take(seen));
    int reports = 0;
    while (reports < 2) {
      reports += work.takeReports().size();
    }
    waitFor(stopped);
    assertEquals("a listener of a handler", FakeServer.take(work.errors).getMessage());
  }

  @Test
  void abortsWhatComesWhenItsGraceIsOver() throws Exception {
    Worker worker = work.worker().handle("hold", this::hold).handle("late", this::hold).start();
    FakeWork.Stream stream = work.nextStream();
    stream.assign(FakeWork.task("hold"));
    assertEquals("begun", FakeServer.take(seen));
    CompletableFuture<Void> stopped = worker.stopAsync();
    FakeServer.await(() -> !work.reports.isEmpty());
    stream.assign(FakeWork.task("late"));
    assertEquals("WORKER_STOPPED", work.takeReport().getFailure().getCode());
    assertEquals("WORKER_STOPPED", work.takeReport().getFailure().getCode());
    waitFor(stopped);
    assertTrue(seen.isEmpty());
  }

  @Test
  void keepsNoLinesOfAHandlerThatHasEnded() throws Exception {
    EventLoop loop = new EventLoop("test", work.errors::add);
    LogQueue logs = new LogQueue(work.client.calls(), loop, work.errors::add);
    Attempt attempt = new Attempt(FakeWork.task("any"), System.nanoTime());
    logs.add(attempt, LogLevel.LOG_LEVEL_INFO, "in time");
    assertTrue(logs.holds(attempt));
    logs.finish(attempt);
    attempt.run(context -> null, null);
    FakeServer.answer(FakeServer.take(work.logs).answer(), AppendLogsResponse.getDefaultInstance());
    FakeServer.await(() -> !logs.holds(attempt));
    logs.add(attempt, LogLevel.LOG_LEVEL_INFO, "too late");
    assertFalse(logs.holds(attempt));
    loop.close();
  }

  @Test
  void extendsLeasesByCallsWhileADrainedStreamEnds() throws Exception {
    Worker worker = work.worker().lease(Duration.ofSeconds(1)).handle("hold", this::hold).start();
    FakeWork.Stream stream = work.nextStream();
    stream.endsWhenToldTo = false;
    stream.assign(FakeWork.task("hold"));
    assertEquals("begun", FakeServer.take(seen));
    stream.next(MessageCase.HEARTBEAT);
    stream.drain();
    assertEquals("hold", FakeServer.take(work.extensions).getLeases(0).getTaskId());
    release.countDown();
    worker.stopAsync();
  }
}
