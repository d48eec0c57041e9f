package io.millpond.sdk;

import io.grpc.Codec;
import io.grpc.ConnectivityState;
import io.grpc.DecompressorRegistry;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A channel to a server, which is given up when it has been connecting for too long: gRPC waits for
 * ever for a server that takes a connection and then says nothing.
 */
final class Line {
  private static final long CONNECT_SECONDS_MAX = 10;

  /** What calls end with that waited for a line which was given up. */
  static final Status STUCK =
      Status.UNAVAILABLE.withDescription(
          "the server did not answer within " + CONNECT_SECONDS_MAX + " s of connecting");

  private static final int MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
  private static final int HEADER_BYTES_MAX = 1024 * 1024;

  /** Compressing costs both sides of one network more time than it saves: it is not asked for. */
  private static final DecompressorRegistry NO_COMPRESSION =
      DecompressorRegistry.emptyInstance().with(Codec.Identity.NONE, false);

  private final ManagedChannel channel;
  private final ScheduledExecutorService timer;
  private final Consumer<Line> onStuck;
  private final long openedAtNanos = System.nanoTime();
  private volatile boolean isStuck;
  private Future<?> limit;

  /** Opens a line, which connects with its first call; the listener is told when it is given up. */
  Line(Address address, ScheduledExecutorService timer, Consumer<Line> onStuck) {
    this.timer = timer;
    this.onStuck = onStuck;
    NettyChannelBuilder builder =
        NettyChannelBuilder.forAddress(address.host(), address.port())
            .userAgent("millpond-java/" + MillpondClient.VERSION)
            .maxInboundMessageSize(MESSAGE_BYTES_MAX)
            .maxInboundMetadataSize(HEADER_BYTES_MAX)
            .decompressorRegistry(NO_COMPRESSION)
            // What is safe to repeat is known here, and not to gRPC.
            .disableRetry()
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(20, TimeUnit.SECONDS);
    this.channel =
        (address.isSecure() ? builder.useTransportSecurity() : builder.usePlaintext()).build();
    followState();
  }

  ManagedChannel channel() {
    return channel;
  }

  long openedAtNanos() {
    return openedAtNanos;
  }

  /** Whether it was given up. */
  boolean isStuck() {
    return isStuck;
  }

  private synchronized void followState() {
    if (limit != null) {
      limit.cancel(false);
      limit = null;
    }
    ConnectivityState state = channel.getState(false);
    if (state == ConnectivityState.SHUTDOWN) {
      return;
    }
    if (state == ConnectivityState.CONNECTING) {
      try {
        limit = timer.schedule(this::giveUp, CONNECT_SECONDS_MAX, TimeUnit.SECONDS);
      } catch (RejectedExecutionException closed) {
        return;
      }
    }
    channel.notifyWhenStateChanged(state, this::followState);
  }

  private void giveUp() {
    if (channel.getState(false) == ConnectivityState.CONNECTING) {
      isStuck = true;
      onStuck.accept(this);
      channel.shutdownNow();
    }
  }
}
