package io.millpond.sdk;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import io.millpond.v1.EventServiceGrpc;
import io.millpond.v1.WatchEventsRequest;
import io.millpond.v1.WatchEventsResponse;
import java.util.ArrayDeque;
import java.util.Queue;

/**
 * One call of a watch: holds the few messages that the reader has not taken, and no more, so that a
 * slow reader slows the server. Everything is done with the watch's monitor, which is told of what
 * comes.
 */
final class EventStream {
  private static final int MESSAGES_AHEAD = 16;

  private final Connection connection;
  private final Object monitor;
  private final long startedAtNanos = System.nanoTime();
  private final Queue<WatchEventsResponse> messages = new ArrayDeque<>();
  private final ClientCall<WatchEventsRequest, WatchEventsResponse> call;
  private long heardAtNanos = startedAtNanos;
  private boolean hasEnded;
  private MillpondException error;

  EventStream(Connection connection, WatchEventsRequest request, Object monitor) {
    this.connection = connection;
    this.monitor = monitor;
    this.call = connection.newCall(EventServiceGrpc.getWatchEventsMethod(), CallOptions.DEFAULT);
    call.start(new Listener(), new Metadata());
    call.request(MESSAGES_AHEAD);
    call.sendMessage(request);
    call.halfClose();
  }

  /** Takes a message; null: there is none yet. */
  WatchEventsResponse poll() {
    if (messages.size() == MESSAGES_AHEAD) {
      // Nothing could be heard while there was no room.
      heardAtNanos = System.nanoTime();
    }
    WatchEventsResponse message = messages.poll();
    if (message != null && !hasEnded) {
      call.request(1);
    }
    return message;
  }

  long heardAtNanos() {
    return heardAtNanos;
  }

  /** Whether it has ended, and every message that came was taken. */
  boolean hasEnded() {
    return hasEnded && messages.isEmpty();
  }

  /** What it has ended with; null: without an error. */
  MillpondException error() {
    return error;
  }

  /** Ends it because the connection seems to be broken. */
  void giveUp(MillpondException reason) {
    if (!hasEnded) {
      hasEnded = true;
      error = reason;
      cancel();
      connection.renew(startedAtNanos);
    }
  }

  void cancel() {
    Connection.cancel(call, "nobody watches any more");
  }

  private final class Listener extends ClientCall.Listener<WatchEventsResponse> {
    @Override
    public void onMessage(WatchEventsResponse message) {
      synchronized (monitor) {
        heardAtNanos = System.nanoTime();
        messages.add(message);
        monitor.notifyAll();
      }
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      synchronized (monitor) {
        if (!hasEnded) {
          hasEnded = true;
          error =
              status.isOk()
                  ? null
                  : ErrorTranslation.translate(
                      status.asRuntimeException(trailers), connection.address());
        }
        monitor.notifyAll();
      }
    }
  }
}
