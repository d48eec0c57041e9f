package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.rpc.Code;
import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.millpond.v1.Checkpoint;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.EventServiceGrpc;
import io.millpond.v1.SnapshotPart;
import io.millpond.v1.WatchEventsRequest;
import io.millpond.v1.WatchEventsResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EventWatchTest {
  private static final WatchEventsRequest FROM_NOW = WatchEventsRequest.getDefaultInstance();
  private static final WatchEventsRequest WITH_SNAPSHOT =
      WatchEventsRequest.newBuilder().setSnapshot(true).build();

  /** A call that has come, to be answered by the test. */
  private record Call(
      WatchEventsRequest request, StreamObserver<WatchEventsResponse> answers, Context context) {
    void say(String cursor) {
      answers.onNext(message(cursor));
    }
  }

  private static final class Events extends EventServiceGrpc.EventServiceImplBase {
    final BlockingQueue<Call> calls = new LinkedBlockingQueue<>();

    @Override
    public void watchEvents(
        WatchEventsRequest request, StreamObserver<WatchEventsResponse> answers) {
      ((ServerCallStreamObserver<WatchEventsResponse>) answers).setOnCancelHandler(() -> {});
      calls.add(new Call(request, answers, Context.current()));
    }
  }

  private final Events events = new Events();

  @Test
  void goesOnFromTheLastCursor() throws Exception {
    List<MillpondException> interruptions = new ArrayList<>();
    WatchOptions options = WatchOptions.defaults().withOnInterrupted(interruptions::add);
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW, options)) {
      Iterator<WatchEventsResponse> messages = watch.iterator();
      Call first = FakeServer.take(events.calls);
      first.say("c1");
      first.say("c2");
      first.answers().onError(Status.UNAVAILABLE.asRuntimeException());
      assertEquals("c1", messages.next().getCursor());
      assertEquals("c2", messages.next().getCursor());
      CompletableFuture<WatchEventsResponse> next = CompletableFuture.supplyAsync(messages::next);
      Call second = FakeServer.take(events.calls);
      assertEquals("c2", second.request().getCursor());
      second.answers().onCompleted();
      Call third = FakeServer.take(events.calls);
      assertEquals("c2", third.request().getCursor());
      third.say("c3");
      assertEquals("c3", next.get(30, TimeUnit.SECONDS).getCursor());
      assertEquals(1, interruptions.size());
    }
  }

  @Test
  void beginsASnapshotAnewThatBreaksOff() throws Exception {
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(WITH_SNAPSHOT)) {
      Call first = FakeServer.take(events.calls);
      WatchEventsResponse part =
          WatchEventsResponse.newBuilder().setSnapshot(SnapshotPart.getDefaultInstance()).build();
      first.answers().onNext(part);
      first.answers().onError(Status.UNAVAILABLE.asRuntimeException());
      Iterator<WatchEventsResponse> messages = watch.iterator();
      assertEquals(part, messages.next());
      CompletableFuture<WatchEventsResponse> next = CompletableFuture.supplyAsync(messages::next);
      Call second = FakeServer.take(events.calls);
      assertTrue(second.request().getSnapshot());
      second.say("c1");
      assertEquals("c1", next.get(30, TimeUnit.SECONDS).getCursor());
      second.answers().onError(Status.UNAVAILABLE.asRuntimeException());
      CompletableFuture.runAsync(messages::hasNext);
      assertFalse(FakeServer.take(events.calls).request().getSnapshot());
    }
  }

  @Test
  void goesOnWhenItIsAskedToWaitForLong() throws Exception {
    List<MillpondException> interruptions = new ArrayList<>();
    WatchOptions options = WatchOptions.defaults().withOnInterrupted(interruptions::add);
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW, options)) {
      FakeServer.take(events.calls)
          .answers()
          .onError(
              FakeServer.error(
                  Code.UNAVAILABLE,
                  "STORE_UNAVAILABLE",
                  RetryInfo.newBuilder()
                      .setRetryDelay(Durations.toProto(Duration.ofHours(1)))
                      .build()));
      while (interruptions.isEmpty()) {
        assertTrue(watch.poll(Duration.ofMillis(10)).isEmpty());
      }
      assertTrue(watch.poll(Duration.ZERO).isEmpty());
    }
  }

  @Test
  void noticesSilenceThoughItsReaderNeverWaits() throws Exception {
    WatchOptions options = WatchOptions.defaults().withSilenceMax(Duration.ofMillis(100));
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW, options)) {
      FakeServer.take(events.calls);
      FakeServer.await(
          () -> {
            watch.poll(Duration.ZERO);
            return !events.calls.isEmpty();
          });
    }
  }

  @Test
  void takesSilenceForABrokenConnection() throws Exception {
    WatchOptions options = WatchOptions.defaults().withSilenceMax(Duration.ofMillis(200));
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW, options)) {
      Call first = FakeServer.take(events.calls);
      first.say("c1");
      Iterator<WatchEventsResponse> messages = watch.iterator();
      messages.next();
      CompletableFuture<WatchEventsResponse> next = CompletableFuture.supplyAsync(messages::next);
      Call second = FakeServer.take(events.calls);
      assertEquals("c1", second.request().getCursor());
      second.say("c2");
      assertEquals("c2", next.get(30, TimeUnit.SECONDS).getCursor());
      FakeServer.await(first.context()::isCancelled);
    }
  }

  @Test
  void endsWithWhatRepeatingCannotMend() throws Exception {
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW)) {
      Call call = FakeServer.take(events.calls);
      call.say("c1");
      call.answers().onError(FakeServer.error(Code.OUT_OF_RANGE, "CURSOR_EXPIRED"));
      Iterator<WatchEventsResponse> messages = watch.iterator();
      messages.next();
      for (int i = 0; i < 2; i++) {
        MillpondException error = assertThrows(MillpondException.class, messages::hasNext);
        assertEquals(ErrorReason.ERROR_REASON_CURSOR_EXPIRED, error.reason());
      }
      assertEquals(0, events.calls.size());
    }
  }

  @Test
  void endsItsCallWhenItIsClosed() throws Exception {
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client()) {
      EventWatch watch = client.watch(FROM_NOW);
      CompletableFuture<Boolean> more =
          CompletableFuture.supplyAsync(() -> watch.iterator().hasNext());
      Call call = FakeServer.take(events.calls);
      watch.close();
      assertFalse(more.get(30, TimeUnit.SECONDS));
      FakeServer.await(call.context()::isCancelled);
      assertTrue(watch.isClosed());
      assertTrue(watch.poll(Duration.ZERO).isEmpty());
    }
  }

  @Test
  void canBeReadAsAStream() throws Exception {
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW)) {
      Call call = FakeServer.take(events.calls);
      call.say("c1");
      call.say("c2");
      assertEquals(
          List.of("c1", "c2"),
          watch.stream().limit(2).map(WatchEventsResponse::getCursor).toList());
    }
  }

  @Test
  void waitsNoLongerThanItIsTold() throws Exception {
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW)) {
      assertTrue(watch.poll(Duration.ofMillis(20)).isEmpty());
      FakeServer.take(events.calls).say("c1");
      assertEquals("c1", watch.poll(Duration.ofSeconds(30)).orElseThrow().getCursor());
    }
  }

  @Test
  void canBeReadOnAfterAnInterrupt() throws Exception {
    try (FakeServer server = FakeServer.of(events);
        MillpondClient client = server.client();
        EventWatch watch = client.watch(FROM_NOW)) {
      Thread.currentThread().interrupt();
      MillpondException error =
          assertThrows(MillpondException.class, () -> watch.poll(Duration.ofSeconds(30)));
      assertEquals(Status.Code.CANCELLED, error.code());
      assertTrue(Thread.interrupted());
      FakeServer.take(events.calls).say("c1");
      assertTrue(watch.poll(Duration.ofSeconds(30)).isPresent());
    }
  }

  @Test
  void endsWithItsClient() throws Exception {
    try (FakeServer server = FakeServer.of(events)) {
      MillpondClient client = server.client();
      try (EventWatch watch = client.watch(FROM_NOW)) {
        FakeServer.take(events.calls);
        client.close();
        MillpondException error =
            assertThrows(MillpondException.class, () -> watch.poll(Duration.ofSeconds(30)));
        assertEquals(Status.Code.CANCELLED, error.code());
      }
    }
  }

  private static WatchEventsResponse message(String cursor) {
    return WatchEventsResponse.newBuilder()
        .setCursor(cursor)
        .setCheckpoint(Checkpoint.getDefaultInstance())
        .build();
  }
}
