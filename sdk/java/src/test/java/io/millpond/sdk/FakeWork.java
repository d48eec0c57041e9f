package io.millpond.sdk;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.millpond.v1.AddCountsRequest;
import io.millpond.v1.AddCountsResponse;
import io.millpond.v1.AppendLogsRequest;
import io.millpond.v1.AppendLogsResponse;
import io.millpond.v1.Assignment;
import io.millpond.v1.AssignmentList;
import io.millpond.v1.CancelAttempt;
import io.millpond.v1.ClaimTasksRequest;
import io.millpond.v1.ClaimTasksResponse;
import io.millpond.v1.ExtendLeasesRequest;
import io.millpond.v1.ExtendLeasesResponse;
import io.millpond.v1.ItemError;
import io.millpond.v1.LeaseLost;
import io.millpond.v1.LeaseRef;
import io.millpond.v1.ReportResult;
import io.millpond.v1.ReportTasksRequest;
import io.millpond.v1.ReportTasksResponse;
import io.millpond.v1.ServerDrain;
import io.millpond.v1.Task;
import io.millpond.v1.TaskReport;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.WorkRequest;
import io.millpond.v1.WorkRequest.MessageCase;
import io.millpond.v1.WorkResponse;
import io.millpond.v1.WorkerServiceGrpc;
import io.millpond.v1.WorkerWelcome;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Function;

/**
 * The server's side of a worker: what comes is queued for the test, and answered as it has
 * scripted.
 */
final class FakeWork implements AutoCloseable {
  /** A stream of a worker. */
  static final class Stream implements StreamObserver<WorkRequest> {
    final StreamObserver<WorkResponse> answers;
    final BlockingQueue<WorkRequest> requests = new LinkedBlockingQueue<>();
    volatile boolean hasEnded;

    /** Whether the server ends it when the worker does. */
    volatile boolean endsWhenToldTo = true;

    Stream(StreamObserver<WorkResponse> answers) {
      this.answers = answers;
    }

    @Override
    public void onNext(WorkRequest request) {
      requests.add(request);
    }

    @Override
    public void onError(Throwable error) {
      hasEnded = true;
    }

    @Override
    public void onCompleted() {
      hasEnded = true;
      if (endsWhenToldTo) {
        answers.onCompleted();
      }
    }

    /** The next message of a sort; others are passed over. */
    WorkRequest next(MessageCase sort) throws InterruptedException {
      WorkRequest request = FakeServer.take(requests);
      while (request.getMessageCase() != sort) {
        request = FakeServer.take(requests);
      }
      return request;
    }

    void welcome(Duration heartbeat) {
      WorkerWelcome.Builder welcome =
          WorkerWelcome.newBuilder()
              .setHeartbeatInterval(Durations.toProto(heartbeat))
              .setLease(Durations.toProto(heartbeat.multipliedBy(2)));
      answers.onNext(WorkResponse.newBuilder().setWelcome(welcome).build());
    }

    void assign(Assignment... assignments) {
      AssignmentList.Builder list =
          AssignmentList.newBuilder().addAllAssignments(List.of(assignments));
      answers.onNext(WorkResponse.newBuilder().setAssignments(list).build());
    }

    void cancel(Assignment assignment) {
      CancelAttempt.Builder cancel =
          CancelAttempt.newBuilder()
              .setTaskId(assignment.getTask().getTaskId())
              .setAttempt(assignment.getAttempt());
      answers.onNext(WorkResponse.newBuilder().setCancel(cancel).build());
    }

    void lose(Assignment assignment) {
      LeaseLost.Builder lost = LeaseLost.newBuilder().setLease(leaseOf(assignment));
      answers.onNext(WorkResponse.newBuilder().setLeaseLost(lost).build());
    }

    void drain() {
      answers.onNext(WorkResponse.newBuilder().setDrain(ServerDrain.getDefaultInstance()).build());
    }
  }

  /** A call that has come, and is answered by the test. */
  record Call<Q, A>(Q request, StreamObserver<A> answer) {}

  private final class WorkerService extends WorkerServiceGrpc.WorkerServiceImplBase {
    @Override
    public StreamObserver<WorkRequest> work(StreamObserver<WorkResponse> answers) {
      Stream stream = new Stream(answers);
      if (isStreaming) {
        streams.add(stream);
      } else {
        answers.onError(Status.UNIMPLEMENTED.asRuntimeException());
      }
      return stream;
    }

    @Override
    public void claimTasks(ClaimTasksRequest request, StreamObserver<ClaimTasksResponse> answer) {
      claims.add(new Call<>(request, answer));
    }

    @Override
    public void extendLeases(
        ExtendLeasesRequest request, StreamObserver<ExtendLeasesResponse> answer) {
      extensions.add(request);
      FakeServer.answer(answer, extend.apply(request));
    }

    @Override
    public void appendLogs(AppendLogsRequest request, StreamObserver<AppendLogsResponse> answer) {
      logs.add(new Call<>(request, answer));
    }
  }

  private final class TaskService extends TaskServiceGrpc.TaskServiceImplBase {
    @Override
    public void reportTasks(
        ReportTasksRequest request, StreamObserver<ReportTasksResponse> answer) {
      reports.add(new Call<>(request, answer));
    }

    @Override
    public void addCounts(AddCountsRequest request, StreamObserver<AddCountsResponse> answer) {
      counts.add(new Call<>(request, answer));
    }
  }

  final BlockingQueue<Stream> streams = new LinkedBlockingQueue<>();
  final BlockingQueue<Call<ClaimTasksRequest, ClaimTasksResponse>> claims =
      new LinkedBlockingQueue<>();
  final BlockingQueue<ExtendLeasesRequest> extensions = new LinkedBlockingQueue<>();
  final BlockingQueue<Call<AppendLogsRequest, AppendLogsResponse>> logs =
      new LinkedBlockingQueue<>();
  final BlockingQueue<Call<ReportTasksRequest, ReportTasksResponse>> reports =
      new LinkedBlockingQueue<>();
  final BlockingQueue<Call<AddCountsRequest, AddCountsResponse>> counts =
      new LinkedBlockingQueue<>();

  /** What the worker's error listener was told. */
  final BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>();

  final FakeServer server;
  final MillpondClient client;

  /** Whether streams pass. */
  volatile boolean isStreaming = true;

  /** What is answered to extensions of leases. */
  volatile Function<ExtendLeasesRequest, ExtendLeasesResponse> extend =
      request -> ExtendLeasesResponse.getDefaultInstance();

  FakeWork() throws IOException {
    server = FakeServer.of(new WorkerService(), new TaskService());
    client = server.client();
  }

  Worker.Builder worker() {
    return Worker.builder(client).stopGrace(Duration.ofMillis(100)).onError(errors::add);
  }

  /** The stream that the worker makes next, welcomed. */
  Stream nextStream() throws InterruptedException {
    Stream stream = FakeServer.take(streams);
    stream.welcome(Duration.ofSeconds(60));
    return stream;
  }

  /** Takes the reports of the next call, and has the server take them. */
  List<TaskReport> takeReports() throws InterruptedException {
    Call<ReportTasksRequest, ReportTasksResponse> call = FakeServer.take(reports);
    ReportTasksResponse.Builder answer = ReportTasksResponse.newBuilder();
    call.request()
        .getReportsList()
        .forEach(report -> answer.addResults(ReportResult.getDefaultInstance()));
    FakeServer.answer(call.answer(), answer.build());
    return call.request().getReportsList();
  }

  /** Takes the only report of the next call, and has the server take it. */
  TaskReport takeReport() throws InterruptedException {
    List<TaskReport> taken = takeReports();
    if (taken.size() != 1) {
      throw new AssertionError("there are " + taken.size() + " reports");
    }
    return taken.get(0);
  }

  /** Takes the only report of the next call, and has the server refuse it. */
  TaskReport refuseReport(ItemError error) throws InterruptedException {
    Call<ReportTasksRequest, ReportTasksResponse> call = FakeServer.take(reports);
    ReportResult.Builder result = ReportResult.newBuilder().setError(error);
    FakeServer.answer(call.answer(), ReportTasksResponse.newBuilder().addResults(result).build());
    return call.request().getReports(0);
  }

  /** A first attempt of a task, whose id is its kind. */
  static Assignment task(String kind) {
    return Assignment.newBuilder()
        .setTask(Task.newBuilder().setTaskId(kind).setKind(kind))
        .setAttempt(1)
        .build();
  }

  static LeaseRef leaseOf(Assignment assignment) {
    return LeaseRef.newBuilder()
        .setTaskId(assignment.getTask().getTaskId())
        .setAttempt(assignment.getAttempt())
        .build();
  }

  @Override
  public void close() {
    client.close();
    server.close();
  }
}
