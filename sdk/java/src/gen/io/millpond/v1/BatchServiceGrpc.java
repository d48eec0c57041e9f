package io.millpond.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Batches: the graphs, as wholes.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class BatchServiceGrpc {

  private BatchServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "millpond.v1.BatchService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.GetBatchRequest,
      io.millpond.v1.GetBatchResponse> getGetBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetBatch",
      requestType = io.millpond.v1.GetBatchRequest.class,
      responseType = io.millpond.v1.GetBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.GetBatchRequest,
      io.millpond.v1.GetBatchResponse> getGetBatchMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.GetBatchRequest, io.millpond.v1.GetBatchResponse> getGetBatchMethod;
    if ((getGetBatchMethod = BatchServiceGrpc.getGetBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getGetBatchMethod = BatchServiceGrpc.getGetBatchMethod) == null) {
          BatchServiceGrpc.getGetBatchMethod = getGetBatchMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.GetBatchRequest, io.millpond.v1.GetBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetBatch"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.GetBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.GetBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("GetBatch"))
              .build();
        }
      }
    }
    return getGetBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ListBatchesRequest,
      io.millpond.v1.ListBatchesResponse> getListBatchesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListBatches",
      requestType = io.millpond.v1.ListBatchesRequest.class,
      responseType = io.millpond.v1.ListBatchesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ListBatchesRequest,
      io.millpond.v1.ListBatchesResponse> getListBatchesMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ListBatchesRequest, io.millpond.v1.ListBatchesResponse> getListBatchesMethod;
    if ((getListBatchesMethod = BatchServiceGrpc.getListBatchesMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getListBatchesMethod = BatchServiceGrpc.getListBatchesMethod) == null) {
          BatchServiceGrpc.getListBatchesMethod = getListBatchesMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ListBatchesRequest, io.millpond.v1.ListBatchesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListBatches"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListBatchesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListBatchesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("ListBatches"))
              .build();
        }
      }
    }
    return getListBatchesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.SealBatchRequest,
      io.millpond.v1.SealBatchResponse> getSealBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SealBatch",
      requestType = io.millpond.v1.SealBatchRequest.class,
      responseType = io.millpond.v1.SealBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.SealBatchRequest,
      io.millpond.v1.SealBatchResponse> getSealBatchMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.SealBatchRequest, io.millpond.v1.SealBatchResponse> getSealBatchMethod;
    if ((getSealBatchMethod = BatchServiceGrpc.getSealBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getSealBatchMethod = BatchServiceGrpc.getSealBatchMethod) == null) {
          BatchServiceGrpc.getSealBatchMethod = getSealBatchMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.SealBatchRequest, io.millpond.v1.SealBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SealBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.SealBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.SealBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("SealBatch"))
              .build();
        }
      }
    }
    return getSealBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.StopBatchRequest,
      io.millpond.v1.StopBatchResponse> getStopBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StopBatch",
      requestType = io.millpond.v1.StopBatchRequest.class,
      responseType = io.millpond.v1.StopBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.StopBatchRequest,
      io.millpond.v1.StopBatchResponse> getStopBatchMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.StopBatchRequest, io.millpond.v1.StopBatchResponse> getStopBatchMethod;
    if ((getStopBatchMethod = BatchServiceGrpc.getStopBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getStopBatchMethod = BatchServiceGrpc.getStopBatchMethod) == null) {
          BatchServiceGrpc.getStopBatchMethod = getStopBatchMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.StopBatchRequest, io.millpond.v1.StopBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StopBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.StopBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.StopBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("StopBatch"))
              .build();
        }
      }
    }
    return getStopBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.PauseBatchRequest,
      io.millpond.v1.PauseBatchResponse> getPauseBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PauseBatch",
      requestType = io.millpond.v1.PauseBatchRequest.class,
      responseType = io.millpond.v1.PauseBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.PauseBatchRequest,
      io.millpond.v1.PauseBatchResponse> getPauseBatchMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.PauseBatchRequest, io.millpond.v1.PauseBatchResponse> getPauseBatchMethod;
    if ((getPauseBatchMethod = BatchServiceGrpc.getPauseBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getPauseBatchMethod = BatchServiceGrpc.getPauseBatchMethod) == null) {
          BatchServiceGrpc.getPauseBatchMethod = getPauseBatchMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.PauseBatchRequest, io.millpond.v1.PauseBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PauseBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.PauseBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.PauseBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("PauseBatch"))
              .build();
        }
      }
    }
    return getPauseBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ResumeBatchRequest,
      io.millpond.v1.ResumeBatchResponse> getResumeBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ResumeBatch",
      requestType = io.millpond.v1.ResumeBatchRequest.class,
      responseType = io.millpond.v1.ResumeBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ResumeBatchRequest,
      io.millpond.v1.ResumeBatchResponse> getResumeBatchMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ResumeBatchRequest, io.millpond.v1.ResumeBatchResponse> getResumeBatchMethod;
    if ((getResumeBatchMethod = BatchServiceGrpc.getResumeBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getResumeBatchMethod = BatchServiceGrpc.getResumeBatchMethod) == null) {
          BatchServiceGrpc.getResumeBatchMethod = getResumeBatchMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ResumeBatchRequest, io.millpond.v1.ResumeBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ResumeBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ResumeBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ResumeBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("ResumeBatch"))
              .build();
        }
      }
    }
    return getResumeBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.RetryBatchRequest,
      io.millpond.v1.RetryBatchResponse> getRetryBatchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RetryBatch",
      requestType = io.millpond.v1.RetryBatchRequest.class,
      responseType = io.millpond.v1.RetryBatchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.RetryBatchRequest,
      io.millpond.v1.RetryBatchResponse> getRetryBatchMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.RetryBatchRequest, io.millpond.v1.RetryBatchResponse> getRetryBatchMethod;
    if ((getRetryBatchMethod = BatchServiceGrpc.getRetryBatchMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getRetryBatchMethod = BatchServiceGrpc.getRetryBatchMethod) == null) {
          BatchServiceGrpc.getRetryBatchMethod = getRetryBatchMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.RetryBatchRequest, io.millpond.v1.RetryBatchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RetryBatch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.RetryBatchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.RetryBatchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("RetryBatch"))
              .build();
        }
      }
    }
    return getRetryBatchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.UpdateBatchRulesRequest,
      io.millpond.v1.UpdateBatchRulesResponse> getUpdateBatchRulesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateBatchRules",
      requestType = io.millpond.v1.UpdateBatchRulesRequest.class,
      responseType = io.millpond.v1.UpdateBatchRulesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.UpdateBatchRulesRequest,
      io.millpond.v1.UpdateBatchRulesResponse> getUpdateBatchRulesMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.UpdateBatchRulesRequest, io.millpond.v1.UpdateBatchRulesResponse> getUpdateBatchRulesMethod;
    if ((getUpdateBatchRulesMethod = BatchServiceGrpc.getUpdateBatchRulesMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getUpdateBatchRulesMethod = BatchServiceGrpc.getUpdateBatchRulesMethod) == null) {
          BatchServiceGrpc.getUpdateBatchRulesMethod = getUpdateBatchRulesMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.UpdateBatchRulesRequest, io.millpond.v1.UpdateBatchRulesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateBatchRules"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.UpdateBatchRulesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.UpdateBatchRulesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("UpdateBatchRules"))
              .build();
        }
      }
    }
    return getUpdateBatchRulesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.GetBatchGraphRequest,
      io.millpond.v1.GetBatchGraphResponse> getGetBatchGraphMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetBatchGraph",
      requestType = io.millpond.v1.GetBatchGraphRequest.class,
      responseType = io.millpond.v1.GetBatchGraphResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.GetBatchGraphRequest,
      io.millpond.v1.GetBatchGraphResponse> getGetBatchGraphMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.GetBatchGraphRequest, io.millpond.v1.GetBatchGraphResponse> getGetBatchGraphMethod;
    if ((getGetBatchGraphMethod = BatchServiceGrpc.getGetBatchGraphMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getGetBatchGraphMethod = BatchServiceGrpc.getGetBatchGraphMethod) == null) {
          BatchServiceGrpc.getGetBatchGraphMethod = getGetBatchGraphMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.GetBatchGraphRequest, io.millpond.v1.GetBatchGraphResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetBatchGraph"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.GetBatchGraphRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.GetBatchGraphResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("GetBatchGraph"))
              .build();
        }
      }
    }
    return getGetBatchGraphMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ListRuleUsageRequest,
      io.millpond.v1.ListRuleUsageResponse> getListRuleUsageMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListRuleUsage",
      requestType = io.millpond.v1.ListRuleUsageRequest.class,
      responseType = io.millpond.v1.ListRuleUsageResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ListRuleUsageRequest,
      io.millpond.v1.ListRuleUsageResponse> getListRuleUsageMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ListRuleUsageRequest, io.millpond.v1.ListRuleUsageResponse> getListRuleUsageMethod;
    if ((getListRuleUsageMethod = BatchServiceGrpc.getListRuleUsageMethod) == null) {
      synchronized (BatchServiceGrpc.class) {
        if ((getListRuleUsageMethod = BatchServiceGrpc.getListRuleUsageMethod) == null) {
          BatchServiceGrpc.getListRuleUsageMethod = getListRuleUsageMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ListRuleUsageRequest, io.millpond.v1.ListRuleUsageResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListRuleUsage"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListRuleUsageRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListRuleUsageResponse.getDefaultInstance()))
              .setSchemaDescriptor(new BatchServiceMethodDescriptorSupplier("ListRuleUsage"))
              .build();
        }
      }
    }
    return getListRuleUsageMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static BatchServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceStub>() {
        @java.lang.Override
        public BatchServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceStub(channel, callOptions);
        }
      };
    return BatchServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static BatchServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceBlockingV2Stub>() {
        @java.lang.Override
        public BatchServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return BatchServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static BatchServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceBlockingStub>() {
        @java.lang.Override
        public BatchServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceBlockingStub(channel, callOptions);
        }
      };
    return BatchServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static BatchServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<BatchServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<BatchServiceFutureStub>() {
        @java.lang.Override
        public BatchServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new BatchServiceFutureStub(channel, callOptions);
        }
      };
    return BatchServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Batches: the graphs, as wholes.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Reads one batch with its statistics. Fails with BATCH_NOT_FOUND.
     * </pre>
     */
    default void getBatch(io.millpond.v1.GetBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.GetBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists batches, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    default void listBatches(io.millpond.v1.ListBatchesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListBatchesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListBatchesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Closes an open batch: it takes no more tasks, and ends when its last task has ended, at once if all have. A batch
     * that is not open stays as it is. Fails with BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    default void sealBatch(io.millpond.v1.SealBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.SealBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSealBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Cancels everything in the batch that has not ended, in one transaction, seals it, and says how many tasks by the
     * status that they had; executors are told to stop. A batch that has ended stays as it is. Fails with BATCH_NOT_FOUND
     * and REQUEST_ID_REUSED.
     * </pre>
     */
    default void stopBatch(io.millpond.v1.StopBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.StopBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStopBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Holds every future start in the batch; touches nothing that runs. Joins, which do no work, are not held. A paused
     * batch stays as it is. Fails with
     * BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    default void pauseBatch(io.millpond.v1.PauseBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.PauseBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPauseBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lets the batch's tasks start again. An active batch stays as it is; tasks that are paused themselves stay paused.
     * Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    default void resumeBatch(io.millpond.v1.ResumeBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ResumeBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getResumeBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Runs failed and canceled tasks of the batch, and what they brought down in it, again, in one transaction; what
     * succeeded stays, with its output. What tasks of other batches would bring down again stays, too. The batch is ACTIVE
     * again, and its on_complete is called again when it ends; where nothing is to run again it stays as it is. Fails with
     * BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    default void retryBatch(io.millpond.v1.RetryBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.RetryBatchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRetryBatchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Replaces the rules of all tasks of one kind in a batch that is under way, in one transaction, from the next claim
     * on; holders keep their slots. Fails with BATCH_NOT_FOUND, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION when
     * the batch has ended, and INVALID_FIELD when a task lacks what a rule reads.
     * </pre>
     */
    default void updateBatchRules(io.millpond.v1.UpdateBatchRulesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.UpdateBatchRulesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateBatchRulesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Reads the batch's graph in pages of nodes with their incoming edges, with levels and the critical path by time.
     * Fails with BATCH_NOT_FOUND, TASK_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    default void getBatchGraph(io.millpond.v1.GetBatchGraphRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.GetBatchGraphResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetBatchGraphMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the keys of rules that are in use or waited for: key, in use, limit, queued; the longest queue first. Fails
     * with BATCH_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    default void listRuleUsage(io.millpond.v1.ListRuleUsageRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListRuleUsageResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListRuleUsageMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service BatchService.
   * <pre>
   * Batches: the graphs, as wholes.
   * </pre>
   */
  public static abstract class BatchServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return BatchServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service BatchService.
   * <pre>
   * Batches: the graphs, as wholes.
   * </pre>
   */
  public static final class BatchServiceStub
      extends io.grpc.stub.AbstractAsyncStub<BatchServiceStub> {
    private BatchServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one batch with its statistics. Fails with BATCH_NOT_FOUND.
     * </pre>
     */
    public void getBatch(io.millpond.v1.GetBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.GetBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists batches, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public void listBatches(io.millpond.v1.ListBatchesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListBatchesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListBatchesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Closes an open batch: it takes no more tasks, and ends when its last task has ended, at once if all have. A batch
     * that is not open stays as it is. Fails with BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public void sealBatch(io.millpond.v1.SealBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.SealBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSealBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Cancels everything in the batch that has not ended, in one transaction, seals it, and says how many tasks by the
     * status that they had; executors are told to stop. A batch that has ended stays as it is. Fails with BATCH_NOT_FOUND
     * and REQUEST_ID_REUSED.
     * </pre>
     */
    public void stopBatch(io.millpond.v1.StopBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.StopBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getStopBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Holds every future start in the batch; touches nothing that runs. Joins, which do no work, are not held. A paused
     * batch stays as it is. Fails with
     * BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public void pauseBatch(io.millpond.v1.PauseBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.PauseBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPauseBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lets the batch's tasks start again. An active batch stays as it is; tasks that are paused themselves stay paused.
     * Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public void resumeBatch(io.millpond.v1.ResumeBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ResumeBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getResumeBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Runs failed and canceled tasks of the batch, and what they brought down in it, again, in one transaction; what
     * succeeded stays, with its output. What tasks of other batches would bring down again stays, too. The batch is ACTIVE
     * again, and its on_complete is called again when it ends; where nothing is to run again it stays as it is. Fails with
     * BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public void retryBatch(io.millpond.v1.RetryBatchRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.RetryBatchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRetryBatchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Replaces the rules of all tasks of one kind in a batch that is under way, in one transaction, from the next claim
     * on; holders keep their slots. Fails with BATCH_NOT_FOUND, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION when
     * the batch has ended, and INVALID_FIELD when a task lacks what a rule reads.
     * </pre>
     */
    public void updateBatchRules(io.millpond.v1.UpdateBatchRulesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.UpdateBatchRulesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateBatchRulesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Reads the batch's graph in pages of nodes with their incoming edges, with levels and the critical path by time.
     * Fails with BATCH_NOT_FOUND, TASK_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public void getBatchGraph(io.millpond.v1.GetBatchGraphRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.GetBatchGraphResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetBatchGraphMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the keys of rules that are in use or waited for: key, in use, limit, queued; the longest queue first. Fails
     * with BATCH_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public void listRuleUsage(io.millpond.v1.ListRuleUsageRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListRuleUsageResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListRuleUsageMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service BatchService.
   * <pre>
   * Batches: the graphs, as wholes.
   * </pre>
   */
  public static final class BatchServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<BatchServiceBlockingV2Stub> {
    private BatchServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one batch with its statistics. Fails with BATCH_NOT_FOUND.
     * </pre>
     */
    public io.millpond.v1.GetBatchResponse getBatch(io.millpond.v1.GetBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists batches, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListBatchesResponse listBatches(io.millpond.v1.ListBatchesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListBatchesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Closes an open batch: it takes no more tasks, and ends when its last task has ended, at once if all have. A batch
     * that is not open stays as it is. Fails with BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.SealBatchResponse sealBatch(io.millpond.v1.SealBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSealBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels everything in the batch that has not ended, in one transaction, seals it, and says how many tasks by the
     * status that they had; executors are told to stop. A batch that has ended stays as it is. Fails with BATCH_NOT_FOUND
     * and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.StopBatchResponse stopBatch(io.millpond.v1.StopBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getStopBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Holds every future start in the batch; touches nothing that runs. Joins, which do no work, are not held. A paused
     * batch stays as it is. Fails with
     * BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.PauseBatchResponse pauseBatch(io.millpond.v1.PauseBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPauseBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lets the batch's tasks start again. An active batch stays as it is; tasks that are paused themselves stay paused.
     * Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.ResumeBatchResponse resumeBatch(io.millpond.v1.ResumeBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getResumeBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Runs failed and canceled tasks of the batch, and what they brought down in it, again, in one transaction; what
     * succeeded stays, with its output. What tasks of other batches would bring down again stays, too. The batch is ACTIVE
     * again, and its on_complete is called again when it ends; where nothing is to run again it stays as it is. Fails with
     * BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.RetryBatchResponse retryBatch(io.millpond.v1.RetryBatchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRetryBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Replaces the rules of all tasks of one kind in a batch that is under way, in one transaction, from the next claim
     * on; holders keep their slots. Fails with BATCH_NOT_FOUND, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION when
     * the batch has ended, and INVALID_FIELD when a task lacks what a rule reads.
     * </pre>
     */
    public io.millpond.v1.UpdateBatchRulesResponse updateBatchRules(io.millpond.v1.UpdateBatchRulesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateBatchRulesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the batch's graph in pages of nodes with their incoming edges, with levels and the critical path by time.
     * Fails with BATCH_NOT_FOUND, TASK_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.GetBatchGraphResponse getBatchGraph(io.millpond.v1.GetBatchGraphRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetBatchGraphMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the keys of rules that are in use or waited for: key, in use, limit, queued; the longest queue first. Fails
     * with BATCH_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListRuleUsageResponse listRuleUsage(io.millpond.v1.ListRuleUsageRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListRuleUsageMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service BatchService.
   * <pre>
   * Batches: the graphs, as wholes.
   * </pre>
   */
  public static final class BatchServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<BatchServiceBlockingStub> {
    private BatchServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one batch with its statistics. Fails with BATCH_NOT_FOUND.
     * </pre>
     */
    public io.millpond.v1.GetBatchResponse getBatch(io.millpond.v1.GetBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists batches, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListBatchesResponse listBatches(io.millpond.v1.ListBatchesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListBatchesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Closes an open batch: it takes no more tasks, and ends when its last task has ended, at once if all have. A batch
     * that is not open stays as it is. Fails with BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.SealBatchResponse sealBatch(io.millpond.v1.SealBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSealBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Cancels everything in the batch that has not ended, in one transaction, seals it, and says how many tasks by the
     * status that they had; executors are told to stop. A batch that has ended stays as it is. Fails with BATCH_NOT_FOUND
     * and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.StopBatchResponse stopBatch(io.millpond.v1.StopBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getStopBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Holds every future start in the batch; touches nothing that runs. Joins, which do no work, are not held. A paused
     * batch stays as it is. Fails with
     * BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.PauseBatchResponse pauseBatch(io.millpond.v1.PauseBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPauseBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lets the batch's tasks start again. An active batch stays as it is; tasks that are paused themselves stay paused.
     * Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.ResumeBatchResponse resumeBatch(io.millpond.v1.ResumeBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getResumeBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Runs failed and canceled tasks of the batch, and what they brought down in it, again, in one transaction; what
     * succeeded stays, with its output. What tasks of other batches would bring down again stays, too. The batch is ACTIVE
     * again, and its on_complete is called again when it ends; where nothing is to run again it stays as it is. Fails with
     * BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.RetryBatchResponse retryBatch(io.millpond.v1.RetryBatchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRetryBatchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Replaces the rules of all tasks of one kind in a batch that is under way, in one transaction, from the next claim
     * on; holders keep their slots. Fails with BATCH_NOT_FOUND, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION when
     * the batch has ended, and INVALID_FIELD when a task lacks what a rule reads.
     * </pre>
     */
    public io.millpond.v1.UpdateBatchRulesResponse updateBatchRules(io.millpond.v1.UpdateBatchRulesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateBatchRulesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Reads the batch's graph in pages of nodes with their incoming edges, with levels and the critical path by time.
     * Fails with BATCH_NOT_FOUND, TASK_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.GetBatchGraphResponse getBatchGraph(io.millpond.v1.GetBatchGraphRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetBatchGraphMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the keys of rules that are in use or waited for: key, in use, limit, queued; the longest queue first. Fails
     * with BATCH_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListRuleUsageResponse listRuleUsage(io.millpond.v1.ListRuleUsageRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListRuleUsageMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service BatchService.
   * <pre>
   * Batches: the graphs, as wholes.
   * </pre>
   */
  public static final class BatchServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<BatchServiceFutureStub> {
    private BatchServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected BatchServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new BatchServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Reads one batch with its statistics. Fails with BATCH_NOT_FOUND.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.GetBatchResponse> getBatch(
        io.millpond.v1.GetBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists batches, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ListBatchesResponse> listBatches(
        io.millpond.v1.ListBatchesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListBatchesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Closes an open batch: it takes no more tasks, and ends when its last task has ended, at once if all have. A batch
     * that is not open stays as it is. Fails with BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.SealBatchResponse> sealBatch(
        io.millpond.v1.SealBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSealBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Cancels everything in the batch that has not ended, in one transaction, seals it, and says how many tasks by the
     * status that they had; executors are told to stop. A batch that has ended stays as it is. Fails with BATCH_NOT_FOUND
     * and REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.StopBatchResponse> stopBatch(
        io.millpond.v1.StopBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getStopBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Holds every future start in the batch; touches nothing that runs. Joins, which do no work, are not held. A paused
     * batch stays as it is. Fails with
     * BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.PauseBatchResponse> pauseBatch(
        io.millpond.v1.PauseBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPauseBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lets the batch's tasks start again. An active batch stays as it is; tasks that are paused themselves stay paused.
     * Fails with BATCH_NOT_FOUND, ILLEGAL_TRANSITION when it has ended, and REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ResumeBatchResponse> resumeBatch(
        io.millpond.v1.ResumeBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getResumeBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Runs failed and canceled tasks of the batch, and what they brought down in it, again, in one transaction; what
     * succeeded stays, with its output. What tasks of other batches would bring down again stays, too. The batch is ACTIVE
     * again, and its on_complete is called again when it ends; where nothing is to run again it stays as it is. Fails with
     * BATCH_NOT_FOUND and REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.RetryBatchResponse> retryBatch(
        io.millpond.v1.RetryBatchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRetryBatchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Replaces the rules of all tasks of one kind in a batch that is under way, in one transaction, from the next claim
     * on; holders keep their slots. Fails with BATCH_NOT_FOUND, ETAG_MISMATCH, REQUEST_ID_REUSED, ILLEGAL_TRANSITION when
     * the batch has ended, and INVALID_FIELD when a task lacks what a rule reads.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.UpdateBatchRulesResponse> updateBatchRules(
        io.millpond.v1.UpdateBatchRulesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateBatchRulesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Reads the batch's graph in pages of nodes with their incoming edges, with levels and the critical path by time.
     * Fails with BATCH_NOT_FOUND, TASK_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.GetBatchGraphResponse> getBatchGraph(
        io.millpond.v1.GetBatchGraphRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetBatchGraphMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the keys of rules that are in use or waited for: key, in use, limit, queued; the longest queue first. Fails
     * with BATCH_NOT_FOUND and PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ListRuleUsageResponse> listRuleUsage(
        io.millpond.v1.ListRuleUsageRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListRuleUsageMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_BATCH = 0;
  private static final int METHODID_LIST_BATCHES = 1;
  private static final int METHODID_SEAL_BATCH = 2;
  private static final int METHODID_STOP_BATCH = 3;
  private static final int METHODID_PAUSE_BATCH = 4;
  private static final int METHODID_RESUME_BATCH = 5;
  private static final int METHODID_RETRY_BATCH = 6;
  private static final int METHODID_UPDATE_BATCH_RULES = 7;
  private static final int METHODID_GET_BATCH_GRAPH = 8;
  private static final int METHODID_LIST_RULE_USAGE = 9;

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
        case METHODID_GET_BATCH:
          serviceImpl.getBatch((io.millpond.v1.GetBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.GetBatchResponse>) responseObserver);
          break;
        case METHODID_LIST_BATCHES:
          serviceImpl.listBatches((io.millpond.v1.ListBatchesRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ListBatchesResponse>) responseObserver);
          break;
        case METHODID_SEAL_BATCH:
          serviceImpl.sealBatch((io.millpond.v1.SealBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.SealBatchResponse>) responseObserver);
          break;
        case METHODID_STOP_BATCH:
          serviceImpl.stopBatch((io.millpond.v1.StopBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.StopBatchResponse>) responseObserver);
          break;
        case METHODID_PAUSE_BATCH:
          serviceImpl.pauseBatch((io.millpond.v1.PauseBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.PauseBatchResponse>) responseObserver);
          break;
        case METHODID_RESUME_BATCH:
          serviceImpl.resumeBatch((io.millpond.v1.ResumeBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ResumeBatchResponse>) responseObserver);
          break;
        case METHODID_RETRY_BATCH:
          serviceImpl.retryBatch((io.millpond.v1.RetryBatchRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.RetryBatchResponse>) responseObserver);
          break;
        case METHODID_UPDATE_BATCH_RULES:
          serviceImpl.updateBatchRules((io.millpond.v1.UpdateBatchRulesRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.UpdateBatchRulesResponse>) responseObserver);
          break;
        case METHODID_GET_BATCH_GRAPH:
          serviceImpl.getBatchGraph((io.millpond.v1.GetBatchGraphRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.GetBatchGraphResponse>) responseObserver);
          break;
        case METHODID_LIST_RULE_USAGE:
          serviceImpl.listRuleUsage((io.millpond.v1.ListRuleUsageRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ListRuleUsageResponse>) responseObserver);
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
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getGetBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.GetBatchRequest,
              io.millpond.v1.GetBatchResponse>(
                service, METHODID_GET_BATCH)))
        .addMethod(
          getListBatchesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ListBatchesRequest,
              io.millpond.v1.ListBatchesResponse>(
                service, METHODID_LIST_BATCHES)))
        .addMethod(
          getSealBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.SealBatchRequest,
              io.millpond.v1.SealBatchResponse>(
                service, METHODID_SEAL_BATCH)))
        .addMethod(
          getStopBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.StopBatchRequest,
              io.millpond.v1.StopBatchResponse>(
                service, METHODID_STOP_BATCH)))
        .addMethod(
          getPauseBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.PauseBatchRequest,
              io.millpond.v1.PauseBatchResponse>(
                service, METHODID_PAUSE_BATCH)))
        .addMethod(
          getResumeBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ResumeBatchRequest,
              io.millpond.v1.ResumeBatchResponse>(
                service, METHODID_RESUME_BATCH)))
        .addMethod(
          getRetryBatchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.RetryBatchRequest,
              io.millpond.v1.RetryBatchResponse>(
                service, METHODID_RETRY_BATCH)))
        .addMethod(
          getUpdateBatchRulesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.UpdateBatchRulesRequest,
              io.millpond.v1.UpdateBatchRulesResponse>(
                service, METHODID_UPDATE_BATCH_RULES)))
        .addMethod(
          getGetBatchGraphMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.GetBatchGraphRequest,
              io.millpond.v1.GetBatchGraphResponse>(
                service, METHODID_GET_BATCH_GRAPH)))
        .addMethod(
          getListRuleUsageMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ListRuleUsageRequest,
              io.millpond.v1.ListRuleUsageResponse>(
                service, METHODID_LIST_RULE_USAGE)))
        .build();
  }

  private static abstract class BatchServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    BatchServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.millpond.v1.BatchServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("BatchService");
    }
  }

  private static final class BatchServiceFileDescriptorSupplier
      extends BatchServiceBaseDescriptorSupplier {
    BatchServiceFileDescriptorSupplier() {}
  }

  private static final class BatchServiceMethodDescriptorSupplier
      extends BatchServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    BatchServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (BatchServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new BatchServiceFileDescriptorSupplier())
              .addMethod(getGetBatchMethod())
              .addMethod(getListBatchesMethod())
              .addMethod(getSealBatchMethod())
              .addMethod(getStopBatchMethod())
              .addMethod(getPauseBatchMethod())
              .addMethod(getResumeBatchMethod())
              .addMethod(getRetryBatchMethod())
              .addMethod(getUpdateBatchRulesMethod())
              .addMethod(getGetBatchGraphMethod())
              .addMethod(getListRuleUsageMethod())
              .build();
        }
      }
    }
    return result;
  }
}
