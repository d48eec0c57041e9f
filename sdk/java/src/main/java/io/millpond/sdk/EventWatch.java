package io.millpond.sdk;

import io.grpc.Status;
import io.millpond.v1.WatchEventsRequest;
import io.millpond.v1.WatchEventsResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The messages of {@code WatchEvents}, in commit order. It goes on after a broken connection from
 * the last cursor: nothing is lost and nothing is repeated. A snapshot that breaks off begins anew:
 * its parts come again, so take them as the newest state of what they name.
 *
 * <pre>{@code
 * try (EventWatch watch = client.watch(request)) {
 *   for (WatchEventsResponse message : watch) {
 *     …
 *   }
 * }
 * }</pre>
 *
 * <p>It connects at once, and goes on when it is read, on the reader's thread: it has none of its
 * own. Closing it, by whatever thread, ends the loop and the call at the server. One that is
 * neither read nor closed keeps its connection. What repeating cannot mend, such as {@code
 * CURSOR_EXPIRED}, ends it with the error. An interrupt of the reader's thread ends the waiting
 * with {@code CANCELLED}, and the watch can be read on.
 */
public final class EventWatch implements Iterable<WatchEventsResponse>, AutoCloseable {
  private final Connection connection;
  private final WatchOptions options;
  private final long silenceMaxNanos;

  /** What the next call asks for. */
  private WatchEventsRequest request;

  private EventStream stream;
  private final FailureStreak streak = new FailureStreak();
  private long resumesAtNanos = System.nanoTime();
  private MillpondException failure;
  private boolean isClosed;

  EventWatch(Connection connection, WatchEventsRequest request, WatchOptions options) {
    this.connection = connection;
    this.request = request;
    this.options = options;
    this.silenceMaxNanos = Durations.nanos(options.silenceMax());
    this.stream = new EventStream(connection, request, this);
  }

  /**
   * Waits for the next message.
   *
   * @param timeout how long to wait; zero: takes what is there
   * @return the message; empty: none came in time, or the watch is closed
   * @throws MillpondException when the watch has ended with an error
   */
  public Optional<WatchEventsResponse> poll(Duration timeout) {
    return Optional.ofNullable(take(System.nanoTime() + Durations.nanos(timeout)));
  }

  /**
   * Goes through the messages, waiting for each, until the watch is closed. What one iterator has
   * taken, another one does not see.
   *
   * @return the messages; they throw {@link MillpondException} when the watch has ended with an
   *     error
   */
  @Override
  public Iterator<WatchEventsResponse> iterator() {
    return new Iterator<>() {
      private WatchEventsResponse next;

      @Override
      public boolean hasNext() {
        while (next == null && !isClosed()) {
          next = take(System.nanoTime() + TimeUnit.HOURS.toNanos(1));
        }
        return next != null;
      }

      @Override
      public WatchEventsResponse next() {
        if (!hasNext()) {
          throw new NoSuchElementException("the watch is closed");
        }
        WatchEventsResponse message = next;
        next = null;
        return message;
      }
    };
  }

  /**
   * Answers the messages as a stream, whose closing closes the watch.
   *
   * @return the messages; they throw {@link MillpondException} when the watch has ended with an
   *     error
   */
  public Stream<WatchEventsResponse> stream() {
    int characteristics = Spliterator.ORDERED | Spliterator.NONNULL;
    Spliterator<WatchEventsResponse> messages =
        Spliterators.spliteratorUnknownSize(iterator(), characteristics);
    return StreamSupport.stream(messages, false).onClose(this::close);
  }

  /**
   * Tells whether the watch has been closed.
   *
   * @return whether it has
   */
  public synchronized boolean isClosed() {
    return isClosed;
  }

  /** Ends the watch, and its call at the server. Harmless when it has ended. */
  @Override
  public synchronized void close() {
    isClosed = true;
    if (stream != null) {
      stream.cancel();
      stream = null;
    }
    notifyAll();
  }

  /** Takes the next message; null: none came in time, or the watch is closed. */
  private WatchEventsResponse take(long deadlineNanos) {
    while (true) {
      MillpondException interruption;
      synchronized (this) {
        WatchEventsResponse message = takeUntilInterrupted(deadlineNanos);
        if (message != null) {
          streak.welcomed();
          // Cursors move on by themselves, and a part of a snapshot comes again when it breaks off.
          if (message.hasEvents() || message.hasSnapshotDone()) {
            streak.progressed();
          }
          if (!message.getCursor().isEmpty()) {
            request = request.toBuilder().setCursor(message.getCursor()).setSnapshot(false).build();
          }
          return message;
        }
        if (isClosed || stream == null || !stream.hasEnded()) {
          return null;
        }
        interruption = stream.error();
        prepareToResume(interruption);
      }
      if (interruption != null) {
        options.onInterrupted().accept(interruption);
      }
    }
  }

  /**
   * Takes the next message; null: the time is over, the watch is closed, or the stream has ended.
   */
  private WatchEventsResponse takeUntilInterrupted(long deadlineNanos) {
    while (!isClosed) {
      if (failure != null) {
        failure.fillInStackTrace();
        throw failure;
      }
      long now = System.nanoTime();
      if (stream == null && resumesAtNanos - now <= 0) {
        stream = new EventStream(connection, request, this);
      }
      WatchEventsResponse message = stream == null ? null : stream.poll();
      if (message != null) {
        return message;
      }
      long wakesAtNanos = resumesAtNanos;
      if (stream != null) {
        wakesAtNanos = stream.heardAtNanos() + silenceMaxNanos;
        if (wakesAtNanos - now <= 0) {
          stream.giveUp(silenceError());
        }
        if (stream.hasEnded()) {
          return null;
        }
      }
      if (deadlineNanos - now <= 0) {
        return null;
      }
      waitNanos(Math.min(deadlineNanos - now, wakesAtNanos - now));
    }
    return null;
  }

  private MillpondException silenceError() {
    long millis = options.silenceMax().toMillis();
    return MillpondException.local(
        Status.Code.UNAVAILABLE, connection.address(), "no message for " + millis + " ms", null);
  }

  /**
   * Sees to the next stream, or to the end of the watch. Without an error (null), the server ended
   * it.
   */
  private void prepareToResume(MillpondException error) {
    stream = null;
    int failures = streak.ended();
    if (connection.isClosed()) {
      failure = RepeatedCall.closed(connection.address());
      return;
    }
    if (error != null && !error.isWorthRepeating()) {
      failure = error;
      return;
    }
    long delayMillis =
        error == null ? Backoff.delayMillis(failures) : Backoff.delayAfterMillis(error, failures);
    resumesAtNanos = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(delayMillis);
  }

  private void waitNanos(long nanos) {
    try {
      // Rounded up: a wait of 0 would be one without an end.
      wait(TimeUnit.NANOSECONDS.toMillis(nanos) + 1);
    } catch (InterruptedException interrupted) {
      throw Calls.interrupted(connection.address(), interrupted);
    }
  }
}
