package io.millpond.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class DeliveryServiceGrpc {

  private DeliveryServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "millpond.v1.DeliveryService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ListDeliveriesRequest,
      io.millpond.v1.ListDeliveriesResponse> getListDeliveriesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListDeliveries",
      requestType = io.millpond.v1.ListDeliveriesRequest.class,
      responseType = io.millpond.v1.ListDeliveriesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ListDeliveriesRequest,
      io.millpond.v1.ListDeliveriesResponse> getListDeliveriesMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ListDeliveriesRequest, io.millpond.v1.ListDeliveriesResponse> getListDeliveriesMethod;
    if ((getListDeliveriesMethod = DeliveryServiceGrpc.getListDeliveriesMethod) == null) {
      synchronized (DeliveryServiceGrpc.class) {
        if ((getListDeliveriesMethod = DeliveryServiceGrpc.getListDeliveriesMethod) == null) {
          DeliveryServiceGrpc.getListDeliveriesMethod = getListDeliveriesMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ListDeliveriesRequest, io.millpond.v1.ListDeliveriesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListDeliveries"))
              .setSafe(true)
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListDeliveriesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ListDeliveriesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DeliveryServiceMethodDescriptorSupplier("ListDeliveries"))
              .build();
        }
      }
    }
    return getListDeliveriesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.millpond.v1.ReplayDeliveriesRequest,
      io.millpond.v1.ReplayDeliveriesResponse> getReplayDeliveriesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReplayDeliveries",
      requestType = io.millpond.v1.ReplayDeliveriesRequest.class,
      responseType = io.millpond.v1.ReplayDeliveriesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.millpond.v1.ReplayDeliveriesRequest,
      io.millpond.v1.ReplayDeliveriesResponse> getReplayDeliveriesMethod() {
    io.grpc.MethodDescriptor<io.millpond.v1.ReplayDeliveriesRequest, io.millpond.v1.ReplayDeliveriesResponse> getReplayDeliveriesMethod;
    if ((getReplayDeliveriesMethod = DeliveryServiceGrpc.getReplayDeliveriesMethod) == null) {
      synchronized (DeliveryServiceGrpc.class) {
        if ((getReplayDeliveriesMethod = DeliveryServiceGrpc.getReplayDeliveriesMethod) == null) {
          DeliveryServiceGrpc.getReplayDeliveriesMethod = getReplayDeliveriesMethod =
              io.grpc.MethodDescriptor.<io.millpond.v1.ReplayDeliveriesRequest, io.millpond.v1.ReplayDeliveriesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReplayDeliveries"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ReplayDeliveriesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.millpond.v1.ReplayDeliveriesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new DeliveryServiceMethodDescriptorSupplier("ReplayDeliveries"))
              .build();
        }
      }
    }
    return getReplayDeliveriesMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static DeliveryServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceStub>() {
        @java.lang.Override
        public DeliveryServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeliveryServiceStub(channel, callOptions);
        }
      };
    return DeliveryServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static DeliveryServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceBlockingV2Stub>() {
        @java.lang.Override
        public DeliveryServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeliveryServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return DeliveryServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static DeliveryServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceBlockingStub>() {
        @java.lang.Override
        public DeliveryServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeliveryServiceBlockingStub(channel, callOptions);
        }
      };
    return DeliveryServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static DeliveryServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<DeliveryServiceFutureStub>() {
        @java.lang.Override
        public DeliveryServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new DeliveryServiceFutureStub(channel, callOptions);
        }
      };
    return DeliveryServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Lists deliveries, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    default void listDeliveries(io.millpond.v1.ListDeliveriesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListDeliveriesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListDeliveriesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Makes deliveries due again, with a fresh budget, all or none. Fails with INVALID_FIELD when a delivery does not
     * exist, and with REQUEST_ID_REUSED.
     * </pre>
     */
    default void replayDeliveries(io.millpond.v1.ReplayDeliveriesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ReplayDeliveriesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReplayDeliveriesMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service DeliveryService.
   * <pre>
   * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
   * </pre>
   */
  public static abstract class DeliveryServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return DeliveryServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service DeliveryService.
   * <pre>
   * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
   * </pre>
   */
  public static final class DeliveryServiceStub
      extends io.grpc.stub.AbstractAsyncStub<DeliveryServiceStub> {
    private DeliveryServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeliveryServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeliveryServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists deliveries, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public void listDeliveries(io.millpond.v1.ListDeliveriesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ListDeliveriesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListDeliveriesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Makes deliveries due again, with a fresh budget, all or none. Fails with INVALID_FIELD when a delivery does not
     * exist, and with REQUEST_ID_REUSED.
     * </pre>
     */
    public void replayDeliveries(io.millpond.v1.ReplayDeliveriesRequest request,
        io.grpc.stub.StreamObserver<io.millpond.v1.ReplayDeliveriesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReplayDeliveriesMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service DeliveryService.
   * <pre>
   * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
   * </pre>
   */
  public static final class DeliveryServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<DeliveryServiceBlockingV2Stub> {
    private DeliveryServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeliveryServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeliveryServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists deliveries, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListDeliveriesResponse listDeliveries(io.millpond.v1.ListDeliveriesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListDeliveriesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes deliveries due again, with a fresh budget, all or none. Fails with INVALID_FIELD when a delivery does not
     * exist, and with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.ReplayDeliveriesResponse replayDeliveries(io.millpond.v1.ReplayDeliveriesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReplayDeliveriesMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service DeliveryService.
   * <pre>
   * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
   * </pre>
   */
  public static final class DeliveryServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<DeliveryServiceBlockingStub> {
    private DeliveryServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeliveryServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeliveryServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists deliveries, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public io.millpond.v1.ListDeliveriesResponse listDeliveries(io.millpond.v1.ListDeliveriesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListDeliveriesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes deliveries due again, with a fresh budget, all or none. Fails with INVALID_FIELD when a delivery does not
     * exist, and with REQUEST_ID_REUSED.
     * </pre>
     */
    public io.millpond.v1.ReplayDeliveriesResponse replayDeliveries(io.millpond.v1.ReplayDeliveriesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReplayDeliveriesMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service DeliveryService.
   * <pre>
   * The webhook calls that tell of ends: what is to be delivered, what was, and what could not be.
   * </pre>
   */
  public static final class DeliveryServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<DeliveryServiceFutureStub> {
    private DeliveryServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected DeliveryServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new DeliveryServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Lists deliveries, newest first, in keyset pages. Fails with PAGE_TOKEN_MISMATCH.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ListDeliveriesResponse> listDeliveries(
        io.millpond.v1.ListDeliveriesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListDeliveriesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Makes deliveries due again, with a fresh budget, all or none. Fails with INVALID_FIELD when a delivery does not
     * exist, and with REQUEST_ID_REUSED.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.millpond.v1.ReplayDeliveriesResponse> replayDeliveries(
        io.millpond.v1.ReplayDeliveriesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReplayDeliveriesMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_LIST_DELIVERIES = 0;
  private static final int METHODID_REPLAY_DELIVERIES = 1;

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
        case METHODID_LIST_DELIVERIES:
          serviceImpl.listDeliveries((io.millpond.v1.ListDeliveriesRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ListDeliveriesResponse>) responseObserver);
          break;
        case METHODID_REPLAY_DELIVERIES:
          serviceImpl.replayDeliveries((io.millpond.v1.ReplayDeliveriesRequest) request,
              (io.grpc.stub.StreamObserver<io.millpond.v1.ReplayDeliveriesResponse>) responseObserver);
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
          getListDeliveriesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ListDeliveriesRequest,
              io.millpond.v1.ListDeliveriesResponse>(
                service, METHODID_LIST_DELIVERIES)))
        .addMethod(
          getReplayDeliveriesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.millpond.v1.ReplayDeliveriesRequest,
              io.millpond.v1.ReplayDeliveriesResponse>(
                service, METHODID_REPLAY_DELIVERIES)))
        .build();
  }

  private static abstract class DeliveryServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    DeliveryServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.millpond.v1.DeliveryServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("DeliveryService");
    }
  }

  private static final class DeliveryServiceFileDescriptorSupplier
      extends DeliveryServiceBaseDescriptorSupplier {
    DeliveryServiceFileDescriptorSupplier() {}
  }

  private static final class DeliveryServiceMethodDescriptorSupplier
      extends DeliveryServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    DeliveryServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (DeliveryServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new DeliveryServiceFileDescriptorSupplier())
              .addMethod(getListDeliveriesMethod())
              .addMethod(getReplayDeliveriesMethod())
              .build();
        }
      }
    }
    return result;
  }
}
