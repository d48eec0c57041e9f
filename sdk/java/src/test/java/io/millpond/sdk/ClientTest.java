package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Duration;
import com.google.rpc.Code;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.millpond.v1.ClaimTasksRequest;
import io.millpond.v1.ClaimTasksResponse;
import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.CreateTasksResponse;
import io.millpond.v1.ErrorReason;
import io.millpond.v1.GetTaskRequest;
import io.millpond.v1.GetTaskResponse;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.UploadTasksRequest;
import io.millpond.v1.UploadTasksResponse;
import io.millpond.v1.WorkerServiceGrpc;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ClientTest {
  private static final GetTaskRequest GET = GetTaskRequest.getDefaultInstance();

  /** Does with each call what comes next in the script; the last thing for all that follow. */
  private static final class ScriptedTasks extends TaskServiceGrpc.TaskServiceImplBase {
    final BlockingQueue<Object> requests = new LinkedBlockingQueue<>();
    final BlockingQueue<Context> contexts = new LinkedBlockingQueue<>();
    private final List<Object> script;

    ScriptedTasks(Object... script) {
      this.script = new ArrayList<>(List.of(script));
    }

    @Override
    public void getTask(GetTaskRequest request, StreamObserver<GetTaskResponse> call) {
      play(request, call, GetTaskResponse.getDefaultInstance());
    }

    @Override
    public void createTasks(CreateTasksRequest request, StreamObserver<CreateTasksResponse> call) {
      play(request, call, CreateTasksResponse.getDefaultInstance());
    }

    @Override
    public StreamObserver<UploadTasksRequest> uploadTasks(
        StreamObserver<UploadTasksResponse> call) {
      List<UploadTasksRequest> parts = new ArrayList<>();
      return new StreamObserver<>() {
        @Override
        public void onNext(UploadTasksRequest part) {
          parts.add(part);
        }

        @Override
        public void onError(Throwable error) {
          requests.add(error);
        }

        @Override
        public void onCompleted() {
          long tasks = parts.stream().mapToLong(UploadTasksRequest::getTasksCount).sum();
          UploadTasksResponse answer =
              UploadTasksResponse.newBuilder().setCreatedCount(tasks).build();
          play(List.copyOf(parts), call, answer);
        }
      };
    }

    private synchronized <A> void play(Object request, StreamObserver<A> call, A answer) {
      requests.add(request);
      contexts.add(Context.current());
      Object next = script.size() > 1 ? script.remove(0) : script.get(0);
      if (next instanceof Throwable error) {
        call.onError(error);
      } else if (next.equals("answer")) {
        FakeServer.answer(call, answer);
      }
    }
  }

  @Test
  void sendsItsTokenAndAsksForNoCompression() throws Exception {
    try (FakeServer server = FakeServer.of(new ScriptedTasks("answer"));
        MillpondClient client = MillpondClient.builder(server.address()).token("secret").build()) {
      client.tasks().getTask(GET);
      Metadata headers = server.nextHeaders();
      assertEquals("Bearer secret", header(headers, "authorization"));
      assertNull(header(headers, "grpc-accept-encoding"));
      assertTrue(header(headers, "user-agent").startsWith("millpond-java/"));
    }
  }

  @Test
  void sendsNoTokenThatIsEmpty() throws Exception {
    try (FakeServer server = FakeServer.of(new ScriptedTasks("answer"));
        MillpondClient client = MillpondClient.builder(server.address()).token("").build()) {
      client.tasks().getTask(GET);
      assertNull(header(server.nextHeaders(), "authorization"));
    }
  }

  @Test
  void throwsWhatMillpondSays() throws Exception {
    Throwable error = FakeServer.error(Code.NOT_FOUND, "TASK_NOT_FOUND");
    try (FakeServer server = FakeServer.of(new ScriptedTasks(error));
        MillpondClient client = server.client()) {
      MillpondException thrown =
          assertThrows(MillpondException.class, () -> client.tasks().getTask(GET));
      assertEquals(ErrorReason.ERROR_REASON_TASK_NOT_FOUND, thrown.reason());
      StackTraceElement[] trace = thrown.getStackTrace();
      assertTrue(List.of(trace).toString().contains("ClientTest"), "the caller is in the trace");
      ExecutionException failed =
          assertThrows(ExecutionException.class, () -> client.tasks().getTaskAsync(GET).get());
      assertInstanceOf(MillpondException.class, failed.getCause());
    }
  }

  @Test
  void repeatsMutationsUnderOneRequestId() throws Exception {
    Throwable away = Status.UNAVAILABLE.asRuntimeException();
    ScriptedTasks tasks = new ScriptedTasks(away, away, "answer");
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      client.tasks().createTasks(CreateTasksRequest.getDefaultInstance());
      assertEquals(3, tasks.requests.size());
      CreateTasksRequest first = (CreateTasksRequest) tasks.requests.remove();
      assertFalse(first.getRequestId().isEmpty());
      assertEquals(first, tasks.requests.remove());
      assertEquals(first, tasks.requests.remove());
    }
  }

  @Test
  void givesUpAfterFiveAttempts() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks(Status.UNAVAILABLE.asRuntimeException());
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      MillpondException error =
          assertThrows(MillpondException.class, () -> client.tasks().getTask(GET));
      assertEquals(Status.Code.UNAVAILABLE, error.code());
      assertEquals(5, tasks.requests.size());
    }
  }

  @Test
  void repeatsWhatTheServerAsksTo() throws Exception {
    Throwable busy =
        FakeServer.error(
            Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", FakeServer.retryAfterMillis(20));
    ScriptedTasks tasks = new ScriptedTasks(busy, "answer");
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      client.tasks().getTask(GET);
      assertEquals(2, tasks.requests.size());
    }
  }

  @Test
  void repeatsNothingWhenToldSo() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks(Status.UNAVAILABLE.asRuntimeException());
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = MillpondClient.builder(server.address()).repeats(false).build()) {
      assertThrows(MillpondException.class, () -> client.tasks().getTask(GET));
      assertEquals(1, tasks.requests.size());
    }
  }

  @Test
  void neverRepeatsAClaim() throws Exception {
    BlockingQueue<ClaimTasksRequest> claims = new LinkedBlockingQueue<>();
    WorkerServiceGrpc.WorkerServiceImplBase workers =
        new WorkerServiceGrpc.WorkerServiceImplBase() {
          @Override
          public void claimTasks(
              ClaimTasksRequest request, StreamObserver<ClaimTasksResponse> call) {
            claims.add(request);
            call.onError(Status.UNAVAILABLE.asRuntimeException());
          }
        };
    try (FakeServer server = FakeServer.of(workers);
        MillpondClient client = server.client()) {
      assertThrows(
          MillpondException.class,
          () -> client.workers().claimTasks(ClaimTasksRequest.getDefaultInstance()));
      assertEquals(1, claims.size());
    }
  }

  @Test
  void hasADeadlineThatAllAttemptsShare() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks(Status.UNAVAILABLE.asRuntimeException(), "silence");
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      java.time.Duration timeout = java.time.Duration.ofMillis(700);
      MillpondException error =
          assertThrows(
              MillpondException.class, () -> client.tasks().withTimeout(timeout).getTask(GET));
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
      assertTrue(error.getMessage().startsWith(server.address() + ": "));
    }
  }

  @Test
  void givesACallThatWaitsItsWaitOnTop() throws Exception {
    BlockingQueue<Context> contexts = new LinkedBlockingQueue<>();
    WorkerServiceGrpc.WorkerServiceImplBase workers =
        new WorkerServiceGrpc.WorkerServiceImplBase() {
          @Override
          public void claimTasks(
              ClaimTasksRequest request, StreamObserver<ClaimTasksResponse> call) {
            contexts.add(Context.current());
            FakeServer.answer(call, ClaimTasksResponse.getDefaultInstance());
          }
        };
    try (FakeServer server = FakeServer.of(workers);
        MillpondClient client = server.client()) {
      Duration wait = Duration.newBuilder().setSeconds(3_600).build();
      client.workers().claimTasks(ClaimTasksRequest.newBuilder().setWaitTimeout(wait).build());
      long seconds = FakeServer.take(contexts).getDeadline().timeRemaining(TimeUnit.SECONDS);
      assertTrue(seconds > 3_600 && seconds <= 3_630, "a deadline of " + seconds + " s");
    }
  }

  @Test
  void isCanceledAtTheServerByAnInterrupt() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks("silence");
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      CompletableFuture<MillpondException> thrown = new CompletableFuture<>();
      Thread caller =
          new Thread(
              () -> {
                MillpondException error =
                    assertThrows(MillpondException.class, () -> client.tasks().getTask(GET));
                assertTrue(Thread.currentThread().isInterrupted());
                thrown.complete(error);
              });
      caller.start();
      Context context = FakeServer.take(tasks.contexts);
      caller.interrupt();
      assertEquals(Status.Code.CANCELLED, thrown.get(30, TimeUnit.SECONDS).code());
      FakeServer.await(context::isCancelled);
    }
  }

  @Test
  void isCanceledAtTheServerByItsFuture() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks("silence");
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      CompletableFuture<GetTaskResponse> call = client.tasks().getTaskAsync(GET);
      Context context = FakeServer.take(tasks.contexts);
      call.cancel(true);
      FakeServer.await(context::isCancelled);
    }
  }

  @Test
  void endsItsCallsWhenItIsClosed() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks("silence");
    try (FakeServer server = FakeServer.of(tasks)) {
      MillpondClient client = server.client();
      CompletableFuture<GetTaskResponse> call = client.tasks().getTaskAsync(GET);
      FakeServer.take(tasks.requests);
      client.close();
      client.close();
      ExecutionException failed =
          assertThrows(ExecutionException.class, () -> call.get(30, TimeUnit.SECONDS));
      MillpondException error = assertInstanceOf(MillpondException.class, failed.getCause());
      assertEquals(Status.Code.CANCELLED, error.code());
      assertThrows(MillpondException.class, () -> client.tasks().getTask(GET));
    }
  }

  @Test
  void findsAServerThatComesBack() throws Exception {
    int port;
    try (FakeServer server = FakeServer.of(new ScriptedTasks("answer"))) {
      port = server.port();
    }
    try (MillpondClient client =
        MillpondClient.builder("127.0.0.1:" + port).repeats(false).build()) {
      MillpondException error =
          assertThrows(MillpondException.class, () -> client.tasks().getTask(GET));
      assertEquals(Status.Code.UNAVAILABLE, error.code());
      assertTrue(error.getMessage().contains("refused"), error.getMessage());
      try (FakeServer server = FakeServer.at(port, new ScriptedTasks("answer"))) {
        assertEquals(port, server.port());
        FakeServer.await(() -> succeeds(client));
      }
    }
  }

  @Test
  void keepsDeadlinesWithAServerThatNeverAnswers() throws Exception {
    try (ServerSocket mute = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        MillpondClient client = MillpondClient.connect("127.0.0.1:" + mute.getLocalPort())) {
      java.time.Duration timeout = java.time.Duration.ofMillis(200);
      MillpondException error =
          assertThrows(
              MillpondException.class, () -> client.tasks().withTimeout(timeout).getTask(GET));
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
    }
  }

  @Test
  void uploadsInPartsAndRepeatsThemAll() throws Exception {
    ScriptedTasks tasks = new ScriptedTasks(Status.UNAVAILABLE.asRuntimeException(), "answer");
    try (FakeServer server = FakeServer.of(tasks);
        MillpondClient client = server.client()) {
      TaskGraph graph = TaskGraph.named("large");
      for (int n = 0; n < 1_000; n++) {
        graph.task("task-" + n, "kind");
      }
      UploadOptions options = UploadOptions.defaults().withPartSize(10);
      assertEquals(1_000, client.upload(graph, options).getCreatedCount());
      List<?> first = (List<?>) tasks.requests.remove();
      assertEquals(101, first.size());
      assertEquals(first, tasks.requests.remove());
    }
  }

  private static boolean succeeds(MillpondClient client) {
    try {
      client.tasks().getTask(GET);
      return true;
    } catch (MillpondException away) {
      return false;
    }
  }

  private static String header(Metadata headers, String name) {
    return headers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }
}
