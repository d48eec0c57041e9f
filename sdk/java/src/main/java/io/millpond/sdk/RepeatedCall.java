package io.millpond.sdk;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * A call with one answer that is made again when it fails because the server is away, if that is
 * safe, within one deadline. Cancelling the future ends it, at the server, too.
 *
 * @param <Q> what is sent
 * @param <A> the answer
 */
final class RepeatedCall<Q, A> extends CompletableFuture<A> {
  private static final int ATTEMPTS_MAX = 5;

  private final Connection connection;
  private final MethodDescriptor<Q, A> method;
  private final Iterable<Q> messages;
  private final Deadline deadline;
  private final boolean isSafeToRepeat;
  private final ScheduledExecutorService timer;
  private int attempts;
  private ClientCall<Q, A> current;

  /** Prepares a call; without a deadline (null) it may take for ever. */
  RepeatedCall(
      Connection connection,
      MethodDescriptor<Q, A> method,
      Iterable<Q> messages,
      Deadline deadline,
      boolean isSafeToRepeat,
      ScheduledExecutorService timer) {
    this.connection = connection;
    this.method = method;
    this.messages = messages;
    this.deadline = deadline;
    this.isSafeToRepeat = isSafeToRepeat;
    this.timer = timer;
  }

  /** Makes the call once; its failure decides whether it is made again. */
  void attempt() {
    ClientCall<Q, A> call;
    synchronized (this) {
      if (isDone()) {
        return;
      }
      attempts += 1;
      call = connection.newCall(method, CallOptions.DEFAULT.withDeadline(deadline));
      current = call;
    }
    Attempt attempt = new Attempt(call);
    try {
      call.start(attempt, new Metadata());
      call.request(2);
      attempt.send();
    } catch (RuntimeException | Error error) {
      // Canceled just now, or a message that cannot be encoded.
      call.cancel("the call could not be made", error);
      completeExceptionally(ErrorTranslation.translate(error, connection.address()));
    }
  }

  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    boolean isCanceled = super.cancel(mayInterruptIfRunning);
    ClientCall<Q, A> call;
    synchronized (this) {
      call = current;
    }
    if (isCanceled && call != null) {
      Connection.cancel(call, "nobody waits for the answer any more");
    }
    return isCanceled;
  }

  /** Ends the call because its client is closed. */
  void close() {
    completeExceptionally(closed(connection.address()));
  }

  static MillpondException closed(Address address) {
    return MillpondException.local(
        Status.Code.CANCELLED, address, "the client has been closed", null);
  }

  private void failed(StatusRuntimeException error) {
    if (connection.isClosed()) {
      close();
      return;
    }
    MillpondException failure = ErrorTranslation.translate(error, connection.address());
    Optional<Long> delayMillis =
        isSafeToRepeat && attempts < ATTEMPTS_MAX
            ? Backoff.delayBeforeRepeatMillis(failure, attempts)
            : Optional.empty();
    if (delayMillis.isEmpty() || !endsInTime(delayMillis.get())) {
      completeExceptionally(failure);
      return;
    }
    try {
      timer.schedule(this::attempt, delayMillis.get(), TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException closedMeanwhile) {
      close();
    }
  }

  private boolean endsInTime(long delayMillis) {
    return deadline == null || delayMillis < deadline.timeRemaining(TimeUnit.MILLISECONDS);
  }

  /** One attempt: sends as fast as is taken, and takes the answer. */
  private final class Attempt extends ClientCall.Listener<A> {
    private final ClientCall<Q, A> call;
    private final Iterator<Q> unsent = messages.iterator();
    private boolean hasSentAll;
    private A answer;

    Attempt(ClientCall<Q, A> call) {
      this.call = call;
    }

    /** Sends what is taken now; the first message in any case. */
    synchronized void send() {
      if (hasSentAll) {
        return;
      }
      do {
        call.sendMessage(unsent.next());
      } while (unsent.hasNext() && call.isReady());
      if (!unsent.hasNext()) {
        hasSentAll = true;
        call.halfClose();
      }
    }

    @Override
    public void onReady() {
      send();
    }

    @Override
    public void onMessage(A message) {
      answer = message;
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      if (isDone()) {
        return;
      }
      if (!status.isOk()) {
        failed(status.asRuntimeException(trailers));
      } else if (answer != null) {
        complete(answer);
      } else {
        Status.Code code = Status.Code.INTERNAL;
        completeExceptionally(
            MillpondException.local(code, connection.address(), "the answer is empty", null));
      }
    }
  }
}
