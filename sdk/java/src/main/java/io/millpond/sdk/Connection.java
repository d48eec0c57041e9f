package io.millpond.sdk;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Codec;
import io.grpc.ConnectivityState;
import io.grpc.DecompressorRegistry;
import io.grpc.ForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.util.concurrent.TimeUnit;

/**
 * The way to a server: a channel that is made anew where gRPC's own would hold back. After a
 * failure to connect, gRPC answers calls with that failure for a second and longer, up to two
 * minutes; here each call made then finds out for itself whether the server is back, and the delays
 * between repeats are those of {@link Backoff} alone.
 */
final class Connection extends Channel {
  private static final int MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
  private static final int HEADER_BYTES_MAX = 1024 * 1024;

  /** A channel that has failed is used again for so long: many calls at once try once. */
  private static final long RENEWAL_MIN_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /** Compressing costs both sides of one network more time than it saves: it is not asked for. */
  private static final DecompressorRegistry NO_COMPRESSION =
      DecompressorRegistry.emptyInstance().with(Codec.Identity.NONE, false);

  private final Address address;
  private final String token;
  private ManagedChannel channel;
  private long openedAtNanos;
  private boolean isClosed;

  /** Makes a connection that is not used yet; the token may be null. */
  Connection(Address address, String token) {
    this.address = address;
    this.token = token;
    this.channel = open();
    this.openedAtNanos = System.nanoTime();
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
   * Has new calls made over a new connection, unless it is newer than the call that has made the
   * present one suspect. Calls under way go on.
   */
  synchronized void renew(long suspectSinceNanos) {
    if (!isClosed && openedAtNanos - suspectSinceNanos <= 0) {
      replaceChannel();
    }
  }

  /** As {@link #renew}, but only while it is not known whether there is a server at all. */
  synchronized void renewIfConnecting(long suspectSinceNanos) {
    if (channel.getState(false) == ConnectivityState.CONNECTING) {
      renew(suspectSinceNanos);
    }
  }

  synchronized boolean isClosed() {
    return isClosed;
  }

  /** Ends the connection and the calls under way. Harmless when it has ended. */
  synchronized void close() {
    isClosed = true;
    channel.shutdownNow();
  }

  private ManagedChannel open() {
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
    return (address.isSecure() ? builder.useTransportSecurity() : builder.usePlaintext()).build();
  }

  /** The channel for a call that begins now. Called with the lock. */
  private ManagedChannel usableChannel() {
    boolean hasFailed = channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE;
    if (hasFailed && !isClosed && System.nanoTime() - openedAtNanos >= RENEWAL_MIN_NANOS) {
      replaceChannel();
    }
    return channel;
  }

  private void replaceChannel() {
    channel.shutdown();
    channel = open();
    openedAtNanos = System.nanoTime();
  }

  /**
   * A call that chooses its channel when it starts, so that none starts on one that was replaced.
   */
  private final class LateCall<Q, A> extends ForwardingClientCall<Q, A> {
    private final MethodDescriptor<Q, A> method;
    private final CallOptions options;
    private ClientCall<Q, A> delegate;

    LateCall(MethodDescriptor<Q, A> method, CallOptions options) {
      this.method = method;
      this.options = options;
    }

    @Override
    protected ClientCall<Q, A> delegate() {
      synchronized (Connection.this) {
        if (delegate == null) {
          delegate = usableChannel().newCall(method, options);
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
        super.start(listener, headers);
      }
    }
  }
}
