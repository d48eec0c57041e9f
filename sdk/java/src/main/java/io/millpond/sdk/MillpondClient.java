package io.millpond.sdk;

import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.UploadTasksResponse;
import io.millpond.v1.WatchEventsRequest;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/**
 * A client of the server at an address, with the calls of each service. It connects with the first
 * call. It is safe for use by many threads; one for each server is enough.
 *
 * <p>Mutations get a {@code request_id} when they have none, so that they too are safe to repeat.
 * Calls that fail because the server is away are repeated when repeating is safe: reads, calls with
 * a request id, extensions of leases and reports; 5 attempts in all, after delays drawn between 0
 * and a ceiling that doubles from 100 ms to 5 s, within the call's deadline.
 *
 * <p>Every call has a twin that answers a future. Cancelling that future, or interrupting the
 * thread that waits for a blocking call, cancels the call at the server.
 */
public final class MillpondClient implements AutoCloseable {
  /** The version of this SDK. */
  public static final String VERSION = "0.1.0";

  private static final Duration TIMEOUT_DEFAULT = Duration.ofSeconds(30);

  private final Calls calls;

  private MillpondClient(Builder builder) {
    this.calls = new Calls(builder.address, builder.token, builder.timeout, builder.isRepeating);
  }

  /**
   * Makes a client with the defaults.
   *
   * @param address where the server is, such as {@code http://127.0.0.1:8085}; without a scheme
   *     {@code http://} is meant; {@code https://} is TLS
   * @return the client
   * @throws IllegalArgumentException when the address is none
   */
  public static MillpondClient connect(String address) {
    return builder(address).build();
  }

  /**
   * Begins to describe a client.
   *
   * @param address where the server is, such as {@code http://127.0.0.1:8085}; without a scheme
   *     {@code http://} is meant; {@code https://} is TLS
   * @return the builder
   * @throws IllegalArgumentException when the address is none
   */
  public static Builder builder(String address) {
    return new Builder(Address.parse(address));
  }

  /**
   * Returns where the server is.
   *
   * @return the address, with its scheme
   */
  public String address() {
    return calls.connection().address().text();
  }

  /**
   * Returns the calls of the TaskService.
   *
   * @return the calls
   */
  public Tasks tasks() {
    return new Tasks(calls, null);
  }

  /**
   * Returns the calls of the BatchService.
   *
   * @return the calls
   */
  public Batches batches() {
    return new Batches(calls, null);
  }

  /**
   * Returns the unary calls of the EventService.
   *
   * @return the calls
   */
  public Events events() {
    return new Events(calls, null);
  }

  /**
   * Returns the unary calls of the WorkerService.
   *
   * @return the calls
   */
  public Workers workers() {
    return new Workers(calls, null);
  }

  /**
   * Returns the calls of the DeliveryService.
   *
   * @return the calls
   */
  public Deliveries deliveries() {
    return new Deliveries(calls, null);
  }

  /**
   * Makes any unary call of the contract.
   *
   * @param method the method, such as {@code TaskServiceGrpc.getGetTaskMethod()}
   * @param request the request
   * @param timeout how long the call may take, all its attempts together
   * @param <Q> the request
   * @param <A> the answer
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public <Q, A> A call(MethodDescriptor<Q, A> method, Q request, Duration timeout) {
    return calls.call(method, request, Objects.requireNonNull(timeout, "timeout"));
  }

  /**
   * Makes any unary call of the contract, with the default deadline.
   *
   * @param method the method, such as {@code TaskServiceGrpc.getGetTaskMethod()}
   * @param request the request
   * @param <Q> the request
   * @param <A> the answer
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public <Q, A> A call(MethodDescriptor<Q, A> method, Q request) {
    return calls.call(method, request, null);
  }

  /**
   * As {@link #call(MethodDescriptor, Object)}, without waiting.
   *
   * @param method the method, such as {@code TaskServiceGrpc.getGetTaskMethod()}
   * @param request the request
   * @param <Q> the request
   * @param <A> the answer
   * @return the answer, or a {@link MillpondException}
   */
  public <Q, A> CompletableFuture<A> callAsync(MethodDescriptor<Q, A> method, Q request) {
    return calls.callAsync(method, request, null);
  }

  /**
   * Creates a graph of whatever size, all or none: it is sent in parts, and becomes visible at once
   * when the last one has come. Repeated as calls are. {@link Tasks#listTasks} has the tasks.
   *
   * @param graph the graph
   * @return the batch, and how many tasks were created
   * @throws MillpondException when the upload fails; then nothing was created, unless its answer
   *     was lost
   */
  public UploadTasksResponse upload(TaskGraph graph) {
    return upload(graph, UploadOptions.defaults());
  }

  /**
   * As {@link #upload(TaskGraph)}, with options.
   *
   * @param graph the graph
   * @param options the options
   * @return the batch, and how many tasks were created
   * @throws MillpondException when the upload fails; then nothing was created, unless its answer
   *     was lost
   */
  public UploadTasksResponse upload(TaskGraph graph, UploadOptions options) {
    return Calls.await(uploadAsync(graph, options), calls.connection().address());
  }

  /**
   * As {@link #upload(TaskGraph, UploadOptions)}, without waiting.
   *
   * @param graph the graph; what is added to it later is not sent
   * @param options the options
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<UploadTasksResponse> uploadAsync(
      TaskGraph graph, UploadOptions options) {
    return calls.streamAsync(
        TaskServiceGrpc.getUploadTasksMethod(), new UploadParts(graph, options));
  }

  /**
   * Watches what happens, with the defaults of {@link WatchOptions}.
   *
   * @param request which events, from where, and whether a snapshot comes first
   * @return the watch; to be closed
   */
  public EventWatch watch(WatchEventsRequest request) {
    return watch(request, WatchOptions.defaults());
  }

  /**
   * Watches what happens.
   *
   * @param request which events, from where, and whether a snapshot comes first
   * @param options the options
   * @return the watch; to be closed
   */
  public EventWatch watch(WatchEventsRequest request, WatchOptions options) {
    return new EventWatch(calls.connection(), request, options);
  }

  /**
   * Reads what there is of the log of a task's current attempt, or of its last one.
   *
   * @param taskId the task
   * @return the lines
   */
  public LogReader logs(String taskId) {
    return logs(LogQuery.of(taskId));
  }

  /**
   * Reads the log of an attempt.
   *
   * @param query which log, and whether to follow it
   * @return the lines; to be closed when they are followed
   */
  public LogReader logs(LogQuery query) {
    return new LogReader(calls, query);
  }

  /**
   * Returns the connection, for the stubs that are generated of the contract: their calls carry the
   * client's token, and nothing else of what the client does for its own calls. What they throw is
   * gRPC's; {@link #translate} makes the SDK's of it.
   *
   * @return the channel; closing the client ends it
   */
  public Channel channel() {
    return calls.connection();
  }

  /**
   * Makes the SDK's error of what a call over {@link #channel} failed with.
   *
   * @param error a {@code StatusRuntimeException}, or anything else
   * @return the error, with this one as its cause
   */
  public MillpondException translate(Throwable error) {
    return ErrorTranslation.translate(error, calls.connection().address());
  }

  /**
   * Ends the connection, and with {@code CANCELLED} what runs over it. Harmless when it has been
   * called.
   */
  @Override
  public void close() {
    calls.close();
  }

  Calls calls() {
    return calls;
  }

  /** Describes a client. */
  public static final class Builder {
    private final Address address;
    private String token;
    private Duration timeout = TIMEOUT_DEFAULT;
    private boolean isRepeating = true;

    private Builder(Address address) {
      this.address = address;
    }

    /**
     * Names the token that is sent with every call, as {@code authorization: Bearer …}. Default:
     * none.
     *
     * @param token the token; null or empty: none
     * @return this builder
     */
    public Builder token(String token) {
      this.token = token == null || token.isEmpty() ? null : token;
      return this;
    }

    /**
     * Says how long a unary call may take that does not say so itself. A call that waits for
     * something ({@code wait_timeout}) gets its wait on top. Streams have no deadline. Default: 30
     * s.
     *
     * @param timeout more than nothing
     * @return this builder
     */
    public Builder timeout(Duration timeout) {
      if (timeout.isNegative() || timeout.isZero()) {
        throw new IllegalArgumentException("timeout is " + timeout + "; it must be positive");
      }
      this.timeout = timeout;
      return this;
    }

    /**
     * Says whether calls are repeated that are safe to repeat. Default: they are.
     *
     * @param isRepeating false: every call is made once
     * @return this builder
     */
    public Builder repeats(boolean isRepeating) {
      this.isRepeating = isRepeating;
      return this;
    }

    /**
     * Makes the client.
     *
     * @return the client, not connected yet
     */
    public MillpondClient build() {
      return new MillpondClient(this);
    }
  }
}
