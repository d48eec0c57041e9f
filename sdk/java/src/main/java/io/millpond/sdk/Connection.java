package io.millpond.sdk;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The way to a server: a line that is made anew where gRPC's own channel would hold back. After a
 * failure to connect, gRPC answers calls with that failure for a second and longer, up to two
 * minutes; here each call made then finds out for itself whether the server is back, and the delays
 * between repeats are those of {@link Backoff} alone.
 */
final class Connection extends Channel {
  /** A line that has failed is used again for so long: of many calls at once, one tries. */
  private static final long RENEWAL_MIN_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Address address;
  private final String token;
  private final ScheduledExecutorService timer;
  private Line line;
  private boolean isClosed;

  /** Makes a connection that is not used yet; the token may be null. */
  Connection(Address address, String token, ScheduledExecutorService timer) {
    this.address = address;
    this.token = token;
    this.timer = timer;
    this.line = openLine();
  }

  Address address() {
    return address;
  }

  @Override
  public String authority() {
    return address.host() + ":" + address.port();
  }

  @Override
  public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
    return new LateCall<>(method, options);
  }

  /**
   * Has new calls made over a new line, unless it is newer than the call that has made the present
   * one suspect. Calls under way go on.
   */
  synchronized void renew(long suspectSinceNanos) {
    if (!isClosed && line.openedAtNanos() - suspectSinceNanos <= 0) {
      replaceLine();
    }
  }

  synchronized boolean isClosed() {
    return isClosed;
  }

  /** Ends the connection and the calls under way. Harmless when it has ended. */
  synchronized void close() {
    isClosed = true;
    line.channel().shutdownNow();
  }

  private Line openLine() {
    return new Line(address, timer, this::stuck);
  }

  /** The line for a call that begins now. Called with the lock. */
  private Line usableLine() {
    boolean hasFailed = line.channel().getState(false) == ConnectivityState.TRANSIENT_FAILURE;
    boolean isOld = System.nanoTime() - line.openedAtNanos() >= RENEWAL_MIN_NANOS;
    if (hasFailed && isOld && !isClosed) {
      replaceLine();
    }
    return line;
  }

  private synchronized void stuck(Line stuck) {
    if (stuck == line && !isClosed) {
      line = openLine();
    }
  }

  private void replaceLine() {
    line.channel().shutdown();
    line = openLine();
  }

  /** A call that chooses its line when it starts, so that none starts on one that was replaced. */
  private final class LateCall<Q, A> extends ForwardingClientCall<Q, A> {
    private final MethodDescriptor<Q, A> method;
    private final CallOptions options;
    private Line used;
    private volatile ClientCall<Q, A> delegate;

    LateCall(MethodDescriptor<Q, A> method, CallOptions options) {
      this.method = method;
      this.options = options;
    }

    @Override
    protected ClientCall<Q, A> delegate() {
      if (delegate != null) {
        return delegate;
      }
      synchronized (Connection.this) {
        if (delegate == null) {
          used = usableLine();
          delegate = used.channel().newCall(method, options);
        }
        return delegate;
      }
    }

    @Override
    public void start(Listener<A> listener, Metadata headers) {
      if (token != null && !headers.containsKey(AUTHORIZATION)) {
        headers.put(AUTHORIZATION, "Bearer " + token);
      }
      synchronized (Connection.this) {
        super.start(new EndListener(listener), headers);
      }
    }

    /** Says why a call has ended that waited for a line which was given up. */
    private final class EndListener extends SimpleForwardingClientCallListener<A> {
      EndListener(Listener<A> listener) {
        super(listener);
      }

      @Override
      public void onClose(Status status, Metadata trailers) {
        boolean isOfLine = used.isStuck() && status.getCode() == Status.Code.UNAVAILABLE;
        super.onClose(isOfLine ? Line.STUCK : status, trailers);
      }
    }
  }
}
