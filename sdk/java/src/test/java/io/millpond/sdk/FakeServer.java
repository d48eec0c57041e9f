package io.millpond.sdk;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.BindableService;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** A server on loopback that says what a test has scripted. */
final class FakeServer implements AutoCloseable {
  /** How long a test waits for what must come. */
  static final long DEADLINE_SECONDS = 30;

  private final Server server;
  private final BlockingQueue<Metadata> headers = new LinkedBlockingQueue<>();

  private FakeServer(int port, BindableService... services) throws IOException {
    InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(address)
            .maxInboundMessageSize(64 * 1024 * 1024)
            .intercept(new HeaderReader());
    for (BindableService service : services) {
      builder.addService(service);
    }
    server = builder.build().start();
  }

  static FakeServer of(BindableService... services) throws IOException {
    return new FakeServer(0, services);
  }

  static FakeServer at(int port, BindableService... services) throws IOException {
    return new FakeServer(port, services);
  }

  int port() {
    return server.getPort();
  }

  String address() {
    return "http://127.0.0.1:" + port();
  }

  MillpondClient client() {
    return MillpondClient.connect(address());
  }

  /** The headers of the next call that has come. */
  Metadata nextHeaders() throws InterruptedException {
    return take(headers);
  }

  /** Cuts all connections. */
  @Override
  public void close() {
    try {
      server.shutdownNow().awaitTermination(DEADLINE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Answers a unary call. */
  static <A> void answer(StreamObserver<A> call, A answer) {
    call.onNext(answer);
    call.onCompleted();
  }

  /** An error as Millpond says it. */
  static StatusRuntimeException error(Code code, String reason, Message... details) {
    ErrorInfo info = ErrorInfo.newBuilder().setDomain("millpond").setReason(reason).build();
    return error(code, info, details);
  }

  static StatusRuntimeException error(Code code, ErrorInfo info, Message... details) {
    com.google.rpc.Status.Builder status =
        com.google.rpc.Status.newBuilder()
            .setCode(code.getNumber())
            .setMessage("scripted")
            .addDetails(Any.pack(info));
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    return StatusProto.toStatusRuntimeException(status.build());
  }

  /** Asks to repeat a call after so long. */
  static RetryInfo retryAfterMillis(int millis) {
    return RetryInfo.newBuilder()
        .setRetryDelay(com.google.protobuf.Duration.newBuilder().setNanos(millis * 1_000_000))
        .build();
  }

  /** Takes what must come. */
  static <T> T take(BlockingQueue<T> queue) throws InterruptedException {
    T taken = queue.poll(DEADLINE_SECONDS, TimeUnit.SECONDS);
    if (taken == null) {
      throw new AssertionError("nothing came within " + DEADLINE_SECONDS + " s");
    }
    return taken;
  }

  /** Waits for what must become true. */
  static void await(BooleanSupplier condition) throws InterruptedException {
    long endsAtNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - endsAtNanos > 0) {
        throw new AssertionError("it did not become so within " + DEADLINE_SECONDS + " s");
      }
      Thread.sleep(5);
    }
  }

  private final class HeaderReader implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata metadata, ServerCallHandler<Q, A> next) {
      headers.add(metadata);
      return next.startCall(call, metadata);
    }
  }
}
