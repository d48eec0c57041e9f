package io.millpond.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Workers: remote processes that take tasks of their kinds and execute them.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class WorkerServiceGrpc {

  private WorkerServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "millpond.v1.WorkerService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.WorkRequest,
      io.millpond.v1.WorkResponse> getWorkMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Work",
      requestType = io.millpond.v1.WorkRequest.class,
      responseType = io.millpond.v1.WorkResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.millpond.v1.WorkRequest,
      io.millpond.v1.WorkResponse> getWorkMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.WorkRequest, io.millpond.v1.WorkResponse> getWorkMethod;
    if ((getWorkMethod = WorkerServiceGrpc.getWorkMethod) == null) {
      synchronized (WorkerServiceGrpc.class) {
        if ((getWorkMethod = WorkerServiceGrpc.getWorkMethod) == null) {
          WorkerServiceGrpc.getWorkMethod = getWorkMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.WorkRequest, io.millpond.v1.WorkResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Work"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.WorkRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.WorkResponse.getDefaultInstance()))
              .setSchemaDescriptor(new WorkerServiceMethodDescriptorSupplier("Work"))
              .build();
        }
      }
    }
    return getWorkMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ClaimTasksRequest,
      io.millpond.v1.ClaimTasksResponse> getClaimTasksMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ClaimTasks",
      requestType = io.millpond.v1.ClaimTasksRequest.class,
      responseType = io.millpond.v1.ClaimTasksResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ClaimTasksRequest,
      io.millpond.v1.ClaimTasksResponse> getClaimTasksMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ClaimTasksRequest, io.millpond.v1.ClaimTasksResponse> getClaimTasksMethod;
    if ((getClaimTasksMethod = WorkerServiceGrpc.getClaimTasksMethod) == null) {
      synchronized (WorkerServiceGrpc.class) {
        if ((getClaimTasksMethod = WorkerServiceGrpc.getClaimTasksMethod) == null) {
          WorkerServiceGrpc.getClaimTasksMethod = getClaimTasksMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ClaimTasksRequest, io.millpond.v1.ClaimTasksResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ClaimTasks"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ClaimTasksRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ClaimTasksResponse.getDefaultInstance()))
              .setSchemaDescriptor(new WorkerServiceMethodDescriptorSupplier("ClaimTasks"))
              .build();
        }
      }
    }
    return getClaimTasksMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ExtendLeasesRequest,
      io.millpond.v1.ExtendLeasesResponse> getExtendLeasesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ExtendLeases",
      requestType = io.millpond.v1.ExtendLeasesRequest.class,
      responseType = io.millpond.v1.ExtendLeasesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ExtendLeasesRequest,
      io.millpond.v1.ExtendLeasesResponse> getExtendLeasesMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ExtendLeasesRequest, io.millpond.v1.ExtendLeasesResponse> getExtendLeasesMethod;
    if ((getExtendLeasesMethod = WorkerServiceGrpc.getExtendLeasesMethod) == null) {
      synchronized (WorkerServiceGrpc.class) {
        if ((getExtendLeasesMethod = WorkerServiceGrpc.getExtendLeasesMethod) == null) {
          WorkerServiceGrpc.getExtendLeasesMethod = getExtendLeasesMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ExtendLeasesRequest, io.millpond.v1.ExtendLeasesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ExtendLeases"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ExtendLeasesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ExtendLeasesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new WorkerServiceMethodDescriptorSupplier("ExtendLeases"))
              .build();
        }
      }
    }
    return getExtendLeasesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.AppendLogsRequest,
      io.millpond.v1.AppendLogsResponse> getAppendLogsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "AppendLogs",
      requestType = io.millpond.v1.AppendLogsRequest.class,
      responseType = io.millpond.v1.AppendLogsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.AppendLogsRequest,
      io.millpond.v1.AppendLogsResponse> getAppendLogsMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.AppendLogsRequest, io.millpond.v1.AppendLogsResponse> getAppendLogsMethod;
    if ((getAppendLogsMethod = WorkerServiceGrpc.getAppendLogsMethod) == null) {
      synchronized (WorkerServiceGrpc.class) {
        if ((getAppendLogsMethod = WorkerServiceGrpc.getAppendLogsMethod) == null) {
          WorkerServiceGrpc.getAppendLogsMethod = getAppendLogsMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.AppendLogsRequest, io.millpond.v1.AppendLogsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "AppendLogs"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.AppendLogsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.AppendLogsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new WorkerServiceMethodDescriptorSupplier("AppendLogs"))
              .build();
        }
      }
    }
    return getAppendLogsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ListLogsRequest,
      io.millpond.v1.ListLogsResponse> getListLogsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListLogs",
      requestType = io.millpond.v1.ListLogsRequest.class,
      responseType = io.millpond.v1.ListLogsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ListLogsRequest,
      io.millpond.v1.ListLogsResponse> getListLogsMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ListLogsRequest, io.millpond.v1.ListLogsResponse> getListLogsMethod;
    if ((getListLogsMethod = WorkerServiceGrpc.getListLogsMethod) == null) {
      synchronized (WorkerServiceGrpc.class) {
        if ((getListLogsMethod = WorkerServiceGrpc.getListLogsMethod) == null) {
          WorkerServiceGrpc.getListLogsMethod = getListLogsMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ListLogsRequest, io.millpond.v1.ListLogsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListLogs"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListLogsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListLogsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new WorkerServiceMethodDescriptorSupplier("ListLogs"))
              .build();
        }
      }
    }
    return getListLogsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ListWorkersRequest,
      io.millpond.v1.ListWorkersResponse> getListWorkersMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListWorkers",
      requestType = io.millpond.v1.ListWorkersRequest.class,
      responseType = io.millpond.v1.ListWorkersResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ListWorkersRequest,
      io.millpond.v1.ListWorkersResponse> getListWorkersMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ListWorkersRequest, io.millpond.v1.ListWorkersResponse> getListWorkersMethod;
    if ((getListWorkersMethod = WorkerServiceGrpc.getListWorkersMethod) == null) {
      synchronized (WorkerServiceGrpc.class) {
        if ((getListWorkersMethod = WorkerServiceGrpc.getListWorkersMethod) == null) {
          WorkerServiceGrpc.getListWorkersMethod = getListWorkersMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ListWorkersRequest, io.millpond.v1.ListWorkersResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListWorkers"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListWorkersRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListWorkersResponse.getDefaultInstance()))
              .setSchemaDescriptor(new WorkerServiceMethodDescriptorSupplier("ListWorkers"))
              .build();
        }
      }
    }
    return getListWorkersMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static WorkerServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<WorkerServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<WorkerServiceStub>() {
        @java.lang.Override
        public WorkerServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new WorkerServiceStub(channel, callOptions);
        }
      };
    return WorkerServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static WorkerServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<WorkerServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<WorkerServiceBlockingV2Stub>() {
        @java.lang.Override
        public WorkerServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new WorkerServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return WorkerServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static WorkerServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<WorkerServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<WorkerServiceBlockingStub>() {
        @java.lang.Override
        public WorkerServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new WorkerServiceBlockingStub(channel, callOptions);
        }
      };
    return WorkerServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static WorkerServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<WorkerServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<WorkerServiceFutureStub>() {
        @java.lang.Override
        public WorkerServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new WorkerServiceFutureStub(channel, callOptions);
        }
      };
    return WorkerServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Workers: remote processes that take tasks of their kinds and execute them.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Carries a worker's whole life on one stream: no stream, no work. The worker sends hello first, then credit,
     * heartbeats, reports, logs and drain as it likes; the server sends welcome first, then assignments (never more than
     * the credit), cancels, lost leases, results of reports, and drain. Who is silent for twice the heartbeat interval
     * loses the stream. The attempts of a lost stream stay the worker's for one more interval, and never longer than their
     * leases: by its next stream it goes on with those that its heartbeat names; the others have failed with LEASE_LOST.
     * A worker that does not read gets no more work.
     * Fails with INVALID_FIELD when the first message is no hello or a later one is, when credit or a sequence is out of
     * bounds; with LEASE_LOST for who was silent, and, with metadata.worker_id, when another stream of that name has taken
     * over; with REQUEST_ID_REUSED for lines of log; with UNAVAILABLE after a drain by the server; with LIMIT_EXCEEDED and
     * STORE_UNAVAILABLE. What was not answered is to be sent again by the next stream.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.millpond.v1.WorkRequest> work(
        io.grpc.stub.StreamObserver<io.millpond.v1.WorkResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getWorkMethod(), responseObserver);
    }

    /**
     * <pre>
     * Claims tasks for a lease: the unary twin of Work, for HTTP/1.1, curl and serverless functions. Each task answered is
     * RUNNING for this worker. Waits up to wait_timeout for the first; the commit that makes a task ready wakes it.
     * Reports go to TaskService.ReportTasks; a lease that runs out is an attempt that failed with LEASE_LOST. A call that
     * is repeated claims other tasks; those of a lost answer come back when their leases run out.
     * </pre>
     */
    default void claimTasks(io.millpond.v1.ClaimTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ClaimTasksResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getClaimTasksMethod(), responseObserver);
    }

    /**
     * <pre>
     * Extends leases, from now, and counts as a sign of life. Answers per item, in request order: LEASE_LOST,
     * STALE_ATTEMPT, TASK_ENDED or TASK_NOT_FOUND, and whether the worker should stop. Repeats without harm.
     * </pre>
     */
    default void extendLeases(io.millpond.v1.ExtendLeasesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ExtendLeasesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getExtendLeasesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Appends lines to the log of an attempt, all or none, in order, and counts as a sign of life. An attempt that is over
     * still takes lines (they say why), until the task has another one. Beyond the server's bound per task lines are
     * dropped, and counted by a marker in the log; earlier attempts make room first. Fails with TASK_NOT_FOUND,
     * STALE_ATTEMPT, REQUEST_ID_REUSED and LIMIT_EXCEEDED.
     * </pre>
     */
    default void appendLogs(io.millpond.v1.AppendLogsRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.AppendLogsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getAppendLogsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads the log of an attempt in pages, in order; waits up to wait_timeout for the first line, to follow a log that
     * grows, but not beyond the end of the attempt if that comes meanwhile, and a second at most where it has come before.
     * Where lines were dropped, the last line is a marker that says how many, as of then; who goes on from behind it is
     * told once more when the attempt is over, if it has become more. Logs are kept for some time after the end of their
     * task. Fails with TASK_NOT_FOUND, CURSOR_EXPIRED and LIMIT_EXCEEDED.
     * </pre>
     */
    default void listLogs(io.millpond.v1.ListLogsRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListLogsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListLogsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists workers that are connected, to any server, or have claimed tasks lately, by worker id, with what each runs, in
     * keyset pages. No attempt that is over is among it; one that began at another server is within a few seconds. Fails
     * with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    default void listWorkers(io.millpond.v1.ListWorkersRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListWorkersResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListWorkersMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service WorkerService.
   * <pre>
   * Workers: remote processes that take tasks of their kinds and execute them.
   * </pre>
   */
  public static abstract class WorkerServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return WorkerServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service WorkerService.
   * <pre>
   * Workers: remote processes that take tasks of their kinds and execute them.
   * </pre>
   */
  public static final class WorkerServiceStub
      extends io.grpc.stub.AbstractAsyncStub<WorkerServiceStub> {
    private WorkerServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected WorkerServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new WorkerServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Carries a worker's whole life on one stream: no stream, no work. The worker sends hello first, then credit,
     * heartbeats, reports, logs and drain as it likes; the server sends welcome first, then assignments (never more than
     * the credit), cancels, lost leases, results of reports, and drain. Who is silent for twice the heartbeat interval
     * loses the stream. The attempts of a lost stream stay the worker's for one more interval, and never longer than their
     * leases: by its next stream it goes on with those that its heartbeat names; the others have failed with LEASE_LOST.
     * A worker that does not read gets no more work.
     * Fails with INVALID_FIELD when the first message is no hello or a later one is, when credit or a sequence is out of
     * bounds; with LEASE_LOST for who was silent, and, with metadata.worker_id, when another stream of that name has taken
     * over; with REQUEST_ID_REUSED for lines of log; with UNAVAILABLE after a drain by the server; with LIMIT_EXCEEDED and
     * STORE_UNAVAILABLE. What was not answered is to be sent again by the next stream.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.millpond.v1.WorkRequest> work(
        io.grpc.stub.StreamObserver<io.millpond.v1.WorkResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getWorkMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Claims tasks for a lease: the unary twin of Work, for HTTP/1.1, curl and serverless functions. Each task answered is
     * RUNNING for this worker. Waits up to wait_timeout for the first; the commit that makes a task ready wakes it.
     * Reports go to TaskService.ReportTasks; a lease that runs out is an attempt that failed with LEASE_LOST. A call that
     * is repeated claims other tasks; those of a lost answer come back when their leases run out.
     * </pre>
     */
    public void claimTasks(io.millpond.v1.ClaimTasksRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ClaimTasksResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getClaimTasksMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Extends leases, from now, and counts as a sign of life. Answers per item, in request order: LEASE_LOST,
     * STALE_ATTEMPT, TASK_ENDED or TASK_NOT_FOUND, and whether the worker should stop. Repeats without harm.
     * </pre>
     */
    public void extendLeases(io.millpond.v1.ExtendLeasesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ExtendLeasesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getExtendLeasesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Appends lines to the log of an attempt, all or none, in order, and counts as a sign of life. An attempt that is over
     * still takes lines (they say why), until the task has another one. Beyond the server's bound per task lines are
     * dropped, and counted by a marker in the log; earlier attempts make room first. Fails with TASK_NOT_FOUND,
     * STALE_ATTEMPT, REQUEST_ID_REUSED and LIMIT_EXCEEDED.
     * </pre>
     */
    public void appendLogs(io.millpond.v1.AppendLogsRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.AppendLogsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getAppendLogsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads the log of an attempt in pages, in order; waits up to wait_timeout for the first line, to follow a log that
     * grows, but not beyond the end of the attempt if that comes meanwhile, and a second at most where it has come before.
     * Where lines were dropped, the last line is a marker that says how many, as of then; who goes on from behind it is
     * told once more when the attempt is over, if it has become more. Logs are kept for some time after the end of their
     * task. Fails with TASK_NOT_FOUND, CURSOR_EXPIRED and LIMIT_EXCEEDED.
     * </pre>
     */
    public void listLogs(io.millpond.v1.ListLogsRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListLogsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListLogsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists workers that are connected, to any server, or have claimed tasks lately, by worker id, with what each runs, in
     * keyset pages. No attempt that is over is among it; one that began at another server is within a few seconds. Fails
     * with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public void listWorkers(io.millpond.v1.ListWorkersRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListWorkersResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListWorkersMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service WorkerService.
   * <pre>
   * Workers: remote processes that take tasks of their kinds and execute them.
   * </pre>
   */
  public static final class WorkerServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<WorkerServiceBlockingV2Stub> {
    private WorkerServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected WorkerServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new WorkerServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Carries a worker's whole life on one stream: no stream, no work. The worker sends hello first, then credit,
     * heartbeats, reports, logs and drain as it likes; the server sends welcome first, then assignments (never more than
     * the credit), cancels, lost leases, results of reports, and drain. Who is silent for twice the heartbeat interval
     * loses the stream. The attempts of a lost stream stay the worker's for one more interval, and never longer than their
     * leases: by its next stream it goes on with those that its heartbeat names; the others have failed with LEASE_LOST.
     * A worker that does not read gets no more work.
     * Fails with INVALID_FIELD when the first message is no hello or a later one is, when credit or a sequence is out of
     * bounds; with LEASE_LOST for who was silent, and, with metadata.worker_id, when another stream of that name has taken
     * over; with REQUEST_ID_REUSED for lines of log; with UNAVAILABLE after a drain by the server; with LIMIT_EXCEEDED and
     * STORE_UNAVAILABLE. What was not answered is to be sent again by the next stream.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.millpond.v1.WorkRequest, io.millpond.v1.WorkResponse>
        work() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getWorkMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Claims tasks for a lease: the unary twin of Work, for HTTP/1.1, curl and serverless functions. Each task answered is
     * RUNNING for this worker. Waits up to wait_timeout for the first; the commit that makes a task ready wakes it.
     * Reports go to TaskService.ReportTasks; a lease that runs out is an attempt that failed with LEASE_LOST. A call that
     * is repeated claims other tasks; those of a lost answer come back when their leases run out.
     * </pre>
     */
    public io.millpond.v1.ClaimTasksResponse claimTasks(io.millpond.v1.ClaimTasksRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getClaimTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Extends leases, from now, and counts as a sign of life. Answers per item, in request order: LEASE_LOST,
     * STALE_ATTEMPT, TASK_ENDED or TASK_NOT_FOUND, and whether the worker should stop. Repeats without harm.
     * </pre>
     */
    public io.millpond.v1.ExtendLeasesResponse extendLeases(io.millpond.v1.ExtendLeasesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getExtendLeasesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Appends lines to the log of an attempt, all or none, in order, and counts as a sign of life. An attempt that is over
     * still takes lines (they say why), until the task has another one. Beyond the server's bound per task lines are
     * dropped, and counted by a marker in the log; earlier attempts make room first. Fails with TASK_NOT_FOUND,
     * STALE_ATTEMPT, REQUEST_ID_REUSED and LIMIT_EXCEEDED.
     * </pre>
     */
    public io.millpond.v1.AppendLogsResponse appendLogs(io.millpond.v1.AppendLogsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getAppendLogsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the log of an attempt in pages, in order; waits up to wait_timeout for the first line, to follow a log that
     * grows, but not beyond the end of the attempt if that comes meanwhile, and a second at most where it has come before.
     * Where lines were dropped, the last line is a marker that says how many, as of then; who goes on from behind it is
     * told once more when the attempt is over, if it has become more. Logs are kept for some time after the end of their
     * task. Fails with TASK_NOT_FOUND, CURSOR_EXPIRED and LIMIT_EXCEEDED.
     * </pre>
     */
    public io.millpond.v1.ListLogsResponse listLogs(io.millpond.v1.ListLogsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListLogsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists workers that are connected, to any server, or have claimed tasks lately, by worker id, with what each runs, in
     * keyset pages. No attempt that is over is among it; one that began at another server is within a few seconds. Fails
     * with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListWorkersResponse listWorkers(io.millpond.v1.ListWorkersRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListWorkersMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service WorkerService.
   * <pre>
   * Workers: remote processes that take tasks of their kinds and execute them.
   * </pre>
   */
  public static final class WorkerServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<WorkerServiceBlockingStub> {
    private WorkerServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected WorkerServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new WorkerServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Claims tasks for a lease: the unary twin of Work, for HTTP/1.1, curl and serverless functions. Each task answered is
     * RUNNING for this worker. Waits up to wait_timeout for the first; the commit that makes a task ready wakes it.
     * Reports go to TaskService.ReportTasks; a lease that runs out is an attempt that failed with LEASE_LOST. A call that
     * is repeated claims other tasks; those of a lost answer come back when their leases run out.
     * </pre>
     */
    public io.millpond.v1.ClaimTasksResponse claimTasks(io.millpond.v1.ClaimTasksRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getClaimTasksMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Extends leases, from now, and counts as a sign of life. Answers per item, in request order: LEASE_LOST,
     * STALE_ATTEMPT, TASK_ENDED or TASK_NOT_FOUND, and whether the worker should stop. Repeats without harm.
     * </pre>
     */
    public io.millpond.v1.ExtendLeasesResponse extendLeases(io.millpond.v1.ExtendLeasesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getExtendLeasesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Appends lines to the log of an attempt, all or none, in order, and counts as a sign of life. An attempt that is over
     * still takes lines (they say why), until the task has another one. Beyond the server's bound per task lines are
     * dropped, and counted by a marker in the log; earlier attempts make room first. Fails with TASK_NOT_FOUND,
     * STALE_ATTEMPT, REQUEST_ID_REUSED and LIMIT_EXCEEDED.
     * </pre>
     */
    public io.millpond.v1.AppendLogsResponse appendLogs(io.millpond.v1.AppendLogsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getAppendLogsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the log of an attempt in pages, in order; waits up to wait_timeout for the first line, to follow a log that
     * grows, but not beyond the end of the attempt if that comes meanwhile, and a second at most where it has come before.
     * Where lines were dropped, the last line is a marker that says how many, as of then; who goes on from behind it is
     * told once more when the attempt is over, if it has become more. Logs are kept for some time after the end of their
     * task. Fails with TASK_NOT_FOUND, CURSOR_EXPIRED and LIMIT_EXCEEDED.
     * </pre>
     */
    public io.millpond.v1.ListLogsResponse listLogs(io.millpond.v1.ListLogsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListLogsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists workers that are connected, to any server, or have claimed tasks lately, by worker id, with what each runs, in
     * keyset pages. No attempt that is over is among it; one that began at another server is within a few seconds. Fails
     * with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListWorkersResponse listWorkers(io.millpond.v1.ListWorkersRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListWorkersMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service WorkerService.
   * <pre>
   * Workers: remote processes that take tasks of their kinds and execute them.
   * </pre>
   */
  public static final class WorkerServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<WorkerServiceFutureStub> {
    private WorkerServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected WorkerServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new WorkerServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Claims tasks for a lease: the unary twin of Work, for HTTP/1.1, curl and serverless functions. Each task answered is
     * RUNNING for this worker. Waits up to wait_timeout for the first; the commit that makes a task ready wakes it.
     * Reports go to TaskService.ReportTasks; a lease that runs out is an attempt that failed with LEASE_LOST. A call that
     * is repeated claims other tasks; those of a lost answer come back when their leases run out.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ClaimTasksResponse> claimTasks(
        io.millpond.v1.ClaimTasksRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getClaimTasksMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Extends leases, from now, and counts as a sign of life. Answers per item, in request order: LEASE_LOST,
     * STALE_ATTEMPT, TASK_ENDED or TASK_NOT_FOUND, and whether the worker should stop. Repeats without harm.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ExtendLeasesResponse> extendLeases(
        io.millpond.v1.ExtendLeasesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getExtendLeasesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Appends lines to the log of an attempt, all or none, in order, and counts as a sign of life. An attempt that is over
     * still takes lines (they say why), until the task has another one. Beyond the server's bound per task lines are
     * dropped, and counted by a marker in the log; earlier attempts make room first. Fails with TASK_NOT_FOUND,
     * STALE_ATTEMPT, REQUEST_ID_REUSED and LIMIT_EXCEEDED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.AppendLogsResponse> appendLogs(
        io.millpond.v1.AppendLogsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getAppendLogsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads the log of an attempt in pages, in order; waits up to wait_timeout for the first line, to follow a log that
     * grows, but not beyond the end of the attempt if that comes meanwhile, and a second at most where it has come before.
     * Where lines were dropped, the last line is a marker that says how many, as of then; who goes on from behind it is
     * told once more when the attempt is over, if it has become more. Logs are kept for some time after the end of their
     * task. Fails with TASK_NOT_FOUND, CURSOR_EXPIRED and LIMIT_EXCEEDED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ListLogsResponse> listLogs(
        io.millpond.v1.ListLogsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListLogsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists workers that are connected, to any server, or have claimed tasks lately, by worker id, with what each runs, in
     * keyset pages. No attempt that is over is among it; one that began at another server is within a few seconds. Fails
     * with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ListWorkersResponse> listWorkers(
        io.millpond.v1.ListWorkersRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListWorkersMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CLAIM_TASKS = 0;
  private static final int METHODID_EXTEND_LEASES = 1;
  private static final int METHODID_APPEND_LOGS = 2;
  private static final int METHODID_LIST_LOGS = 3;
  private static final int METHODID_LIST_WORKERS = 4;
  private static final int METHODID_WORK = 5;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_CLAIM_TASKS:
          serviceImpl.claimTasks((io.millpond.v1.ClaimTasksRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ClaimTasksResponse>) responseObserver);
          break;
        case METHODID_EXTEND_LEASES:
          serviceImpl.extendLeases((io.millpond.v1.ExtendLeasesRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ExtendLeasesResponse>) responseObserver);
          break;
        case METHODID_APPEND_LOGS:
          serviceImpl.appendLogs((io.millpond.v1.AppendLogsRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.AppendLogsResponse>) responseObserver);
          break;
        case METHODID_LIST_LOGS:
          serviceImpl.listLogs((io.millpond.v1.ListLogsRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ListLogsResponse>) responseObserver);
          break;
        case METHODID_LIST_WORKERS:
          serviceImpl.listWorkers((io.millpond.v1.ListWorkersRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ListWorkersResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_WORK:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.work(
              (io.grpc.stub.StreamObserver<io.millpond.v1.WorkResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getWorkMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.millpond.v1.WorkRequest,
              io.millpond.v1.WorkResponse>(
                service, METHODID_WORK)))
        .addMethod(
          getClaimTasksMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ClaimTasksRequest,
              io.millpond.v1.ClaimTasksResponse>(
                service, METHODID_CLAIM_TASKS)))
        .addMethod(
          getExtendLeasesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ExtendLeasesRequest,
              io.millpond.v1.ExtendLeasesResponse>(
                service, METHODID_EXTEND_LEASES)))
        .addMethod(
          getAppendLogsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.AppendLogsRequest,
              io.millpond.v1.AppendLogsResponse>(
                service, METHODID_APPEND_LOGS)))
        .addMethod(
          getListLogsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ListLogsRequest,
              io.millpond.v1.ListLogsResponse>(
                service, METHODID_LIST_LOGS)))
        .addMethod(
          getListWorkersMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ListWorkersRequest,
              io.millpond.v1.ListWorkersResponse>(
                service, METHODID_LIST_WORKERS)))
        .build();
  }

  private static abstract class WorkerServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    WorkerServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.millpond.v1.WorkerServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("WorkerService");
    }
  }

  private static final class WorkerServiceFileDescriptorSupplier
      extends WorkerServiceBaseDescriptorSupplier {
    WorkerServiceFileDescriptorSupplier() {}
  }

  private static final class WorkerServiceMethodDescriptorSupplier
      extends WorkerServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    WorkerServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (WorkerServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new WorkerServiceFileDescriptorSupplier())
              .addMethod(getWorkMethod())
              .addMethod(getClaimTasksMethod())
              .addMethod(getExtendLeasesMethod())
              .addMethod(getAppendLogsMethod())
              .addMethod(getListLogsMethod())
              .addMethod(getListWorkersMethod())
              .build();
        }
      }
    }
    return result;
  }
}
