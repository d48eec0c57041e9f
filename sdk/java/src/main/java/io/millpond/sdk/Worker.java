package io.millpond.sdk;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;

/**
 * Takes tasks of the kinds that it has handlers for, runs them, and reports what became of them.
 *
 * <pre>{@code
 * Worker worker =
 *     Worker.builder(client)
 *         .slots(10)
 *         .handle("bwa", context -> Map.of("aligned", align(context.inputMap())))
 *         .start();
 * …
 * worker.stop();
 * }</pre>
 *
 * <p>It takes tasks by a stream to the server, never more than it has free slots; where no stream
 * passes, by calls, and tries the stream again from time to time. While the server is away it goes
 * on trying. Its threads are daemons: {@link #awaitEnd} keeps a program running.
 */
public final class Worker implements AutoCloseable {
  private final WorkerOptions options;
  private final WorkerCore core;
  private final boolean stopsOnSigterm;
  private Thread shutdownHook;
  private boolean isStarted;

  private Worker(WorkerOptions options, boolean stopsOnSigterm) {
    this.options = options;
    this.core = new WorkerCore(options);
    this.stopsOnSigterm = stopsOnSigterm;
  }

  /**
   * Begins to describe a worker.
   *
   * @param client the client of the server; closing it ends the worker with an error
   * @return the builder
   */
  public static Builder builder(MillpondClient client) {
    return new Builder(client);
  }

  /**
   * Returns the worker's own name.
   *
   * @return the name, unique among those connected
   */
  public String workerId() {
    return options.workerId();
  }

  /**
   * Begins to take tasks. Harmless when it has begun.
   *
   * @return this worker
   */
  public synchronized Worker start() {
    if (!isStarted) {
      isStarted = true;
      if (stopsOnSigterm) {
        shutdownHook = new Thread(this::stop, "millpond-shutdown");
        Runtime.getRuntime().addShutdownHook(shutdownHook);
        core.stopped().thenRun(this::removeShutdownHook);
      }
      core.start();
    }
    return this;
  }

  /**
   * Takes no more tasks, lets handlers finish within the grace, then aborts them, and waits until
   * the last report is sent; at most 5 s after the grace. Harmless when it has been called. Called
   * by a handler it would wait for itself: use {@link #stopAsync} there.
   */
  public void stop() {
    stopAsync().join();
  }

  /**
   * As {@link #stop}, without waiting.
   *
   * @return completes when the worker has stopped
   */
  public CompletableFuture<Void> stopAsync() {
    core.stop();
    return core.stopped().copy();
  }

  /** Stops the worker; see {@link #stop}. */
  @Override
  public void close() {
    stop();
  }

  /**
   * Returns how the worker ends.
   *
   * @return completes when the worker has stopped; with the error, as soon as the server refuses it
   *     for good: for example its credentials, or because another worker of its name has come. What
   *     is under way then is given the grace of {@link #stop}, which waits for it.
   */
  public CompletableFuture<Void> done() {
    // Who is told may stop the worker and wait: not on the worker's own thread.
    CompletableFuture<Void> done = core.done();
    return done.isDone() ? done.copy() : done.whenCompleteAsync((nothing, error) -> {});
  }

  /**
   * Waits for the end of the worker.
   *
   * @throws MillpondException when the server has refused it for good
   * @throws InterruptedException when the thread is interrupted; the worker goes on
   */
  public void awaitEnd() throws InterruptedException {
    try {
      core.done().get();
    } catch (ExecutionException ended) {
      if (ended.getCause() instanceof MillpondException error) {
        throw error;
      }
      throw new IllegalStateException(ended.getCause());
    }
  }

  private synchronized void removeShutdownHook() {
    if (shutdownHook == null) {
      return;
    }
    try {
      Runtime.getRuntime().removeShutdownHook(shutdownHook);
    } catch (IllegalStateException shuttingDown) {
      // It is the hook that stops the worker, or would be.
    }
    shutdownHook = null;
  }

  /** Describes a worker. */
  public static final class Builder {
    private static final int SLOTS_MAX = 10_000;
    private static final System.Logger LOGGER = System.getLogger(Worker.class.getName());

    private final MillpondClient client;
    private final Map<String, TaskHandler> handlers = new LinkedHashMap<>();
    private String workerId;
    private int slots = 10;
    private Map<String, String> labels = Map.of();
    private boolean isStreaming = true;
    private Duration lease = Duration.ofSeconds(30);
    private Duration claimWait = Duration.ofSeconds(30);
    private Duration stopGrace = Duration.ofSeconds(30);
    private Duration silenceMax = Duration.ofSeconds(45);
    private Duration streamRetry = Duration.ofSeconds(30);
    private boolean stopsOnSigterm;
    private Consumer<? super Throwable> onError = Builder::warn;

    private Builder(MillpondClient client) {
      this.client = Objects.requireNonNull(client, "client");
    }

    /**
     * Names the handler of a kind of task. At least one is needed, and at most 100.
     *
     * @param kind the kind
     * @param handler does the work of one attempt
     * @return this builder
     */
    public Builder handle(String kind, TaskHandler handler) {
      handlers.put(
          Objects.requireNonNull(kind, "kind"), Objects.requireNonNull(handler, "handler"));
      return this;
    }

    /**
     * Names the worker. Two of one name: the later one takes over, and the first one ends. Default:
     * host name, process id and a random part.
     *
     * @param workerId 1 to 255 characters
     * @return this builder
     */
    public Builder workerId(String workerId) {
      this.workerId = Objects.requireNonNull(workerId, "workerId");
      return this;
    }

    /**
     * Says how many tasks are executed at the same time. Default: 10.
     *
     * @param slots from 1 to 10,000
     * @return this builder
     */
    public Builder slots(int slots) {
      if (slots < 1 || slots > SLOTS_MAX) {
        throw new IllegalArgumentException(
            "slots is %d; a worker has from 1 to %d".formatted(slots, SLOTS_MAX));
      }
      this.slots = slots;
      return this;
    }

    /**
     * Gives the worker labels, which are compared with those that a task requires. Default: none.
     *
     * @param labels at most 50
     * @return this builder
     */
    public Builder labels(Map<String, String> labels) {
      this.labels = Map.copyOf(labels);
      return this;
    }

    /**
     * Says whether tasks are taken by a stream, where one passes. Default: they are.
     *
     * @param isStreaming false: they are always claimed by calls
     * @return this builder
     */
    public Builder stream(boolean isStreaming) {
      this.isStreaming = isStreaming;
      return this;
    }

    /**
     * Says how long leases last where tasks are claimed by calls: so long after a worker has died
     * its tasks are given to others. With a stream, the server says so. Default: 30 s.
     *
     * @param lease from 1 s to 1 h
     * @return this builder
     */
    public Builder lease(Duration lease) {
      this.lease = positive("lease", lease);
      return this;
    }

    /**
     * Says how long a claim waits at the server for a task. Default: 30 s.
     *
     * @param claimWait at most 60 s
     * @return this builder
     */
    public Builder claimWait(Duration claimWait) {
      this.claimWait = notNegative("claimWait", claimWait);
      return this;
    }

    /**
     * Says how long {@link Worker#stop} lets handlers finish before it aborts them. Default: 30 s.
     *
     * @param stopGrace not negative
     * @return this builder
     */
    public Builder stopGrace(Duration stopGrace) {
      this.stopGrace = notNegative("stopGrace", stopGrace);
      return this;
    }

    /**
     * Says after how long a silence a stream is taken for broken. Default: 45 s; the server speaks
     * every 15 s.
     *
     * @param silenceMax more than nothing
     * @return this builder
     */
    public Builder silenceMax(Duration silenceMax) {
      this.silenceMax = positive("silenceMax", silenceMax);
      return this;
    }

    /**
     * Says how long tasks are claimed by calls before the stream is tried again, where none has
     * passed; twice as long after each failure, up to twenty times. Default: 30 s, up to 10
     * minutes.
     *
     * @param streamRetry more than nothing
     * @return this builder
     */
    public Builder streamRetry(Duration streamRetry) {
      this.streamRetry = positive("streamRetry", streamRetry);
      return this;
    }

    /**
     * Has the worker stopped when the virtual machine shuts down, on SIGTERM for example, by a
     * shutdown hook that waits for the end of {@link Worker#stop}. Default: it is not.
     *
     * @param stopsOnSigterm true: it is
     * @return this builder
     */
    public Builder stopOnSigterm(boolean stopsOnSigterm) {
      this.stopsOnSigterm = stopsOnSigterm;
      return this;
    }

    /**
     * Names who is told what goes wrong and is being dealt with: a server that is away, a report
     * that was refused. Default: the logger {@code io.millpond.sdk.Worker}, as warnings.
     *
     * @param onError is called for one error after the other, by a thread of its own: it may stop
     *     the worker, or block; then up to 1,000 errors wait, and what comes beyond is dropped
     * @return this builder
     */
    public Builder onError(Consumer<? super Throwable> onError) {
      this.onError = Objects.requireNonNull(onError, "onError");
      return this;
    }

    /**
     * Makes the worker.
     *
     * @return the worker, not started yet
     * @throws IllegalStateException when there is no handler
     */
    public Worker build() {
      if (handlers.isEmpty()) {
        throw new IllegalStateException("the worker has no handler; name one with handle");
      }
      WorkerOptions options =
          new WorkerOptions(
              client.calls(),
              workerId == null ? defaultWorkerId() : workerId,
              slots,
              labels,
              Map.copyOf(handlers),
              isStreaming,
              lease,
              claimWait,
              stopGrace,
              silenceMax,
              streamRetry,
              onError::accept);
      return new Worker(options, stopsOnSigterm);
    }

    /**
     * Makes the worker and starts it.
     *
     * @return the worker
     * @throws IllegalStateException when there is no handler
     */
    public Worker start() {
      return build().start();
    }

    /** Says where an error comes from, unless it is a call's. */
    private static void warn(Throwable error) {
      if (error instanceof MillpondException call) {
        LOGGER.log(System.Logger.Level.WARNING, call.getMessage());
      } else {
        LOGGER.log(System.Logger.Level.WARNING, "an error of the worker", error);
      }
    }

    private static Duration positive(String name, Duration duration) {
      if (duration.isZero()) {
        throw new IllegalArgumentException(name + " is zero; it must be positive");
      }
      return notNegative(name, duration);
    }

    private static Duration notNegative(String name, Duration duration) {
      if (duration.isNegative()) {
        throw new IllegalArgumentException(name + " is " + duration + "; it must not be negative");
      }
      return duration;
    }

    private static String defaultWorkerId() {
      String random = UUID.randomUUID().toString().substring(0, 8);
      return hostName() + "-" + ProcessHandle.current().pid() + "-" + random;
    }

    private static String hostName() {
      try {
        return InetAddress.getLocalHost().getHostName();
      } catch (UnknownHostException nameless) {
        return "localhost";
      }
    }
  }
}
