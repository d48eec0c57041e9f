package io.millpond.sdk;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.grpc.Deadline;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Makes unary calls over a connection, with deadlines, request ids and repeats. */
final class Calls {
  private final Connection connection;
  private final Duration defaultTimeout;
  private final boolean isRepeating;
  private final ScheduledExecutorService timer;
  private final Set<RepeatedCall<?, ?>> underWay = ConcurrentHashMap.newKeySet();

  Calls(Address address, String token, Duration defaultTimeout, boolean isRepeating) {
    ScheduledThreadPoolExecutor executor =
        new ScheduledThreadPoolExecutor(1, Threads.daemons("millpond-timer"));
    executor.setRemoveOnCancelPolicy(true);
    executor.setKeepAliveTime(10, TimeUnit.SECONDS);
    executor.allowCoreThreadTimeOut(true);
    this.timer = executor;
    this.connection = new Connection(address, token, timer);
    this.defaultTimeout = defaultTimeout;
    this.isRepeating = isRepeating;
  }

  Connection connection() {
    return connection;
  }

  /** Makes a call; without a timeout (null), the default one holds. */
  <Q, A> CompletableFuture<A> callAsync(
      MethodDescriptor<Q, A> method, Q request, Duration timeout) {
    if (method.getType() != MethodDescriptor.MethodType.UNARY) {
      throw new IllegalArgumentException(method.getFullMethodName() + " is no unary method");
    }
    Q complete = Repeats.withRequestId(request);
    Duration limit = timeout == null ? defaultTimeout.plus(waitOf(request)) : timeout;
    Deadline deadline = Deadline.after(Durations.nanos(limit), TimeUnit.NANOSECONDS);
    boolean isSafe = Repeats.areSafe(method, complete);
    return start(method, List.of(complete), deadline, isSafe);
  }

  /** Makes a call that sends several messages, without a deadline, and is safe to repeat. */
  <Q, A> CompletableFuture<A> streamAsync(MethodDescriptor<Q, A> method, Iterable<Q> messages) {
    return start(method, messages, null, true);
  }

  private <Q, A> CompletableFuture<A> start(
      MethodDescriptor<Q, A> method, Iterable<Q> messages, Deadline deadline, boolean isSafe) {
    RepeatedCall<Q, A> call =
        new RepeatedCall<>(connection, method, messages, deadline, isRepeating && isSafe, timer);
    underWay.add(call);
    call.whenComplete((answer, error) -> underWay.remove(call));
    if (connection.isClosed()) {
      call.close();
    } else {
      call.attempt();
    }
    return call;
  }

  /** As {@link #callAsync}, and waits; an interrupt of the thread cancels the call. */
  <Q, A> A call(MethodDescriptor<Q, A> method, Q request, Duration timeout) {
    return await(callAsync(method, request, timeout), connection.address());
  }

  /** Waits for what the SDK's futures bring: a value, or a MillpondException. */
  static <A> A await(CompletableFuture<A> future, Address address) {
    try {
      return future.get();
    } catch (InterruptedException interrupted) {
      future.cancel(true);
      throw interrupted(address, interrupted);
    } catch (ExecutionException failed) {
      if (failed.getCause() instanceof MillpondException error) {
        // It was made by a thread of gRPC, for this caller alone: the caller's place says more.
        error.fillInStackTrace();
        throw error;
      }
      throw new IllegalStateException(failed.getCause());
    }
  }

  /** What a wait that was interrupted ends with; the thread stays marked as interrupted. */
  static MillpondException interrupted(Address address, InterruptedException cause) {
    Thread.currentThread().interrupt();
    return MillpondException.local(
        Status.Code.CANCELLED, address, "the thread was interrupted", cause);
  }

  void close() {
    connection.close();
    underWay.forEach(RepeatedCall::close);
    timer.shutdownNow();
  }

  /** How long a request asks the server to wait. */
  private static Duration waitOf(Object request) {
    if (!(request instanceof Message message)) {
      return Duration.ZERO;
    }
    FieldDescriptor field = message.getDescriptorForType().findFieldByName("wait_timeout");
    if (field == null || !message.hasField(field)) {
      return Duration.ZERO;
    }
    return Durations.toJava((com.google.protobuf.Duration) message.getField(field));
  }
}
