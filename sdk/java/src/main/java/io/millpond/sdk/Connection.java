package io.millpond.sdk;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.Codec;
import io.grpc.ConnectivityState;
import io.grpc.DecompressorRegistry;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The way to a server: a channel of gRPC that is sent back to idle, from where the next call
 * connects anew, when it has failed, or has been connecting for too long.
 *
 * <p>By itself, a channel that has failed to connect answers calls with that failure for a second
 * and longer, up to two minutes; here each call made then finds out for itself whether the server
 * is back, and the delays between repeats are those of {@link Backoff} alone. And by itself it
 * waits for ever for a server that takes a connection and then says nothing.
 */
final class Connection extends Channel {
  private static final long CONNECT_SECONDS_MAX = 10;
  private static final int MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
  private static final int HEADER_BYTES_MAX = 1024 * 1024;

  /** Compressing costs both sides of one network more time than it saves: it is not asked for. */
  private static final DecompressorRegistry NO_COMPRESSION =
      DecompressorRegistry.emptyInstance().with(Codec.Identity.NONE, false);

  private final Address address;
  private final ManagedChannel channel;
  private final Channel authorized;
  private final ScheduledExecutorService timer;
  private Future<?> connectLimit;
  private long renewedAtNanos = System.nanoTime();
  private volatile boolean isClosed;

  /** Makes a connection that is not used yet; the token may be null. */
  Connection(Address address, String token, ScheduledExecutorService timer) {
    this.address = address;
    this.timer = timer;
    NettyChannelBuilder builder =
        NettyChannelBuilder.forAddress(address.host(), address.port())
            .userAgent("millpond-java/" + MillpondClient.VERSION)
            .maxInboundMessageSize(MESSAGE_BYTES_MAX)
            .maxInboundMetadataSize(HEADER_BYTES_MAX)
            .decompressorRegistry(NO_COMPRESSION)
            // What is safe to repeat is known here, and not to gRPC.
            .disableRetry()
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(15, TimeUnit.SECONDS);
    this.channel =
        (address.isSecure() ? builder.useTransportSecurity() : builder.usePlaintext()).build();
    this.authorized =
        token == null
            ? channel
            : ClientInterceptors.intercept(channel, new TokenInterceptor(token));
    followState();
  }

  Address address() {
    return address;
  }

  @Override
  public String authority() {
    return channel.authority();
  }

  @Override
  public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
    return authorized.newCall(method, options);
  }

  /**
   * Has new calls connect anew, unless that was done after the call began that has made the present
   * connection suspect. Calls under way go on.
   */
  synchronized void renew(long suspectSinceNanos) {
    if (renewedAtNanos - suspectSinceNanos <= 0) {
      renewedAtNanos = System.nanoTime();
      channel.enterIdle();
    }
  }

  boolean isClosed() {
    return isClosed;
  }

  /** Ends the connection and the calls under way. Harmless when it has ended. */
  void close() {
    isClosed = true;
    channel.shutdownNow();
  }

  private synchronized void followState() {
    if (connectLimit != null) {
      connectLimit.cancel(false);
      connectLimit = null;
    }
    ConnectivityState state = channel.getState(false);
    if (state == ConnectivityState.SHUTDOWN) {
      return;
    }
    channel.notifyWhenStateChanged(state, this::followState);
    if (state == ConnectivityState.TRANSIENT_FAILURE) {
      channel.enterIdle();
    } else if (state == ConnectivityState.CONNECTING) {
      limitConnecting();
    }
  }

  private void limitConnecting() {
    try {
      connectLimit = timer.schedule(this::connectAnew, CONNECT_SECONDS_MAX, TimeUnit.SECONDS);
    } catch (RejectedExecutionException closed) {
      // It is shut down in a moment.
    }
  }

  /** Tries another connection for the calls that wait for one. */
  private void connectAnew() {
    if (channel.getState(false) == ConnectivityState.CONNECTING) {
      channel.enterIdle();
    }
  }

  /** Cancels a call. Where the client has been closed, the call has ended with its connection. */
  static void cancel(ClientCall<?, ?> call, String message) {
    try {
      call.cancel(message, null);
    } catch (RejectedExecutionException closed) {
      // Nothing runs any more that could be cancelled.
    }
  }
}
