package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.rpc.Code;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.ListLogsRequest;
import io.millpond.v1.ListLogsResponse;
import io.millpond.v1.LogEntry;
import io.millpond.v1.WorkerServiceGrpc;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class LogReaderTest {
  /** A call that has come, to be answered by the test. */
  private record Call(ListLogsRequest request, StreamObserver<ListLogsResponse> answer) {
    void page(String cursor, boolean isEnded, String... lines) {
      ListLogsResponse.Builder page =
          ListLogsResponse.newBuilder().setNextCursor(cursor).setAttemptEnded(isEnded);
      for (String line : lines) {
        page.addEntries(LogEntry.newBuilder().setMessage(line));
      }
      FakeServer.answer(answer, page.build());
    }
  }

  private static final class Logs extends WorkerServiceGrpc.WorkerServiceImplBase {
    final BlockingQueue<Call> calls = new LinkedBlockingQueue<>();

    @Override
    public void listLogs(ListLogsRequest request, StreamObserver<ListLogsResponse> answer) {
      calls.add(new Call(request, answer));
    }
  }

  private final Logs logs = new Logs();

  @Test
  void readsWhatThereIs() throws Exception {
    try (FakeServer server = FakeServer.of(logs);
        MillpondClient client = server.client()) {
      CompletableFuture<List<String>> read = read(client.logs(LogQuery.of("7").withAttempt(2)));
      Call first = FakeServer.take(logs.calls);
      assertEquals("7", first.request().getTaskId());
      assertEquals(2, first.request().getAttempt());
      first.page("c1", false, "one", "two");
      Call second = FakeServer.take(logs.calls);
      assertEquals("c1", second.request().getCursor());
      assertEquals(0, second.request().getWaitTimeout().getSeconds());
      second.page("c1", false);
      assertEquals(List.of("one", "two"), read.get(30, TimeUnit.SECONDS));
    }
  }

  @Test
  void followsToTheEndOfTheAttempt() throws Exception {
    try (FakeServer server = FakeServer.of(logs);
        MillpondClient client = MillpondClient.builder(server.address()).repeats(false).build()) {
      CompletableFuture<List<String>> read = read(client.logs(LogQuery.of("7").following()));
      FakeServer.take(logs.calls).page("c1", false, "one");
      Call second = FakeServer.take(logs.calls);
      assertEquals(30, second.request().getWaitTimeout().getSeconds());
      second.answer().onError(Status.UNAVAILABLE.asRuntimeException());
      Call third = FakeServer.take(logs.calls);
      assertEquals("c1", third.request().getCursor());
      third.page("c1", false);
      FakeServer.take(logs.calls).page("c2", true, "two");
      FakeServer.take(logs.calls).page("c2", true);
      assertEquals(List.of("one", "two"), read.get(30, TimeUnit.SECONDS));
    }
  }

  @Test
  void throwsWhatRepeatingCannotMend() throws Exception {
    try (FakeServer server = FakeServer.of(logs);
        MillpondClient client = server.client()) {
      LogReader reader = client.logs(LogQuery.of("7").following());
      CompletableFuture<MillpondException> thrown =
          CompletableFuture.supplyAsync(
              () -> assertThrows(MillpondException.class, reader.iterator()::hasNext));
      Throwable error = FakeServer.error(Code.NOT_FOUND, "TASK_NOT_FOUND");
      FakeServer.take(logs.calls).answer().onError(error);
      assertEquals(
          ErrorReason.ERROR_REASON_TASK_NOT_FOUND, thrown.get(30, TimeUnit.SECONDS).reason());
    }
  }

  @Test
  void endsWhenItIsClosed() throws Exception {
    try (FakeServer server = FakeServer.of(logs);
        MillpondClient client = server.client()) {
      LogReader reader = client.logs(LogQuery.of("7").following());
      CompletableFuture<Boolean> more =
          CompletableFuture.supplyAsync(() -> reader.iterator().hasNext());
      FakeServer.take(logs.calls);
      reader.close();
      assertFalse(more.get(30, TimeUnit.SECONDS));
    }
  }

  private static CompletableFuture<List<String>> read(LogReader reader) {
    return CompletableFuture.supplyAsync(() -> reader.stream().map(LogEntry::getMessage).toList());
  }
}
