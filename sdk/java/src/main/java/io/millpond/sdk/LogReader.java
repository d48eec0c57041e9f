package io.millpond.sdk;

import io.millpond.v1.ListLogsRequest;
import io.millpond.v1.ListLogsResponse;
import io.millpond.v1.LogEntry;
import io.millpond.v1.WorkerServiceGrpc;
import java.time.Duration;
import java.util.Collections;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The lines of an attempt's log, in order, to what there is or, following, to the end of the
 * attempt. Where lines were dropped at the server's bound, the last one says how many. While it
 * follows, it goes on after a broken connection: nothing is lost and nothing is repeated.
 *
 * <p>It works on the reader's thread, and can be gone through once. Closing it, by whatever thread,
 * ends the loop. An interrupt of the reader's thread ends the waiting with {@code CANCELLED}.
 */
public final class LogReader implements Iterable<LogEntry>, AutoCloseable {
  private static final int PAGE_SIZE = 1_000;
  private static final Duration WAIT = Duration.ofSeconds(30);

  private final Calls calls;
  private final LogQuery query;
  private final Iterator<LogEntry> entries = new Entries();
  private CompletableFuture<ListLogsResponse> current;
  private boolean isClosed;

  LogReader(Calls calls, LogQuery query) {
    this.calls = calls;
    this.query = query;
  }

  /**
   * Goes through the lines, waiting for each; it can be done once.
   *
   * @return the lines; they throw {@link MillpondException} for what repeating cannot mend, such as
   *     {@code TASK_NOT_FOUND}
   */
  @Override
  public Iterator<LogEntry> iterator() {
    return entries;
  }

  /**
   * Answers the lines as a stream, whose closing closes the reader.
   *
   * @return the lines, as {@link #iterator} has them
   */
  public Stream<LogEntry> stream() {
    int characteristics = Spliterator.ORDERED | Spliterator.NONNULL;
    Spliterator<LogEntry> lines = Spliterators.spliteratorUnknownSize(entries, characteristics);
    return StreamSupport.stream(lines, false).onClose(this::close);
  }

  /** Ends the reading. Harmless when it has ended. */
  @Override
  public synchronized void close() {
    isClosed = true;
    if (current != null) {
      current.cancel(true);
    }
    notifyAll();
  }

  /** Reads one page; null: the reader is closed. */
  private ListLogsResponse read(ListLogsRequest request) {
    CompletableFuture<ListLogsResponse> call;
    synchronized (this) {
      if (isClosed) {
        return null;
      }
      call = calls.callAsync(WorkerServiceGrpc.getListLogsMethod(), request, null);
      current = call;
    }
    try {
      return Calls.await(call, calls.connection().address());
    } catch (CancellationException closed) {
      return null;
    }
  }

  private synchronized void pause(long millis) {
    long endsAtNanos = System.nanoTime() + millis * 1_000_000;
    for (long left = millis; left > 0 && !isClosed; ) {
      try {
        wait(left);
      } catch (InterruptedException interrupted) {
        throw Calls.interrupted(calls.connection().address(), interrupted);
      }
      left = (endsAtNanos - System.nanoTime()) / 1_000_000;
    }
  }

  private final class Entries implements Iterator<LogEntry> {
    private Iterator<LogEntry> page = Collections.emptyIterator();
    private String cursor = "";
    private boolean isWaiting;
    private boolean isLast;
    private int failures;

    @Override
    public boolean hasNext() {
      while (!page.hasNext() && !isLast) {
        readPage();
      }
      return page.hasNext();
    }

    @Override
    public LogEntry next() {
      if (!hasNext()) {
        throw new NoSuchElementException("the log has been read");
      }
      return page.next();
    }

    private void readPage() {
      try {
        long sentAtNanos = System.nanoTime();
        ListLogsResponse answer = read(request());
        failures = 0;
        if (answer == null) {
          isLast = true;
          return;
        }
        page = answer.getEntriesList().iterator();
        cursor = answer.getNextCursor();
        boolean mayGrow = query.isFollowing() && !answer.getAttemptEnded();
        isLast = !page.hasNext() && !mayGrow;
        boolean wasToWait = isWaiting;
        isWaiting = mayGrow;
        if (mayGrow && wasToWait && !page.hasNext()) {
          Backoff.delayAfterEmptyMillis(sentAtNanos, WAIT).ifPresent(LogReader.this::pause);
        }
      } catch (MillpondException error) {
        if (!query.isFollowing() || !error.isWorthRepeating() || calls.connection().isClosed()) {
          throw error;
        }
        failures += 1;
        pause(Backoff.delayAfterMillis(error, failures));
      }
    }

    private ListLogsRequest request() {
      return ListLogsRequest.newBuilder()
          .setTaskId(query.taskId())
          .setAttempt(query.attempt())
          .setCursor(cursor)
          .setPageSize(PAGE_SIZE)
          .setWaitTimeout(Durations.toProto(isWaiting ? WAIT : Duration.ZERO))
          .build();
    }
  }
}
