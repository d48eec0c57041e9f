package io.millpond.sdk;

import io.millpond.v1.ReportResult;
import io.millpond.v1.ReportTasksRequest;
import io.millpond.v1.ReportTasksResponse;
import io.millpond.v1.TaskReport;
import io.millpond.v1.TaskServiceGrpc;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Sends reports in few calls: what is reported while a call is in flight goes together into the
 * next. There is one call at a time, so the reports of an attempt arrive in their order. While the
 * server is away it goes on trying. On the worker's loop.
 */
final class ReportQueue {
  /**
   * Bounds of one call: the contract's number of reports, and bytes well below what servers accept.
   */
  private static final int REPORTS_MAX = 1_000;

  private static final int BYTES_MAX = 2 * 1024 * 1024;

  /**
   * A report that waits to be sent.
   *
   * @param attempt whom it concerns
   * @param report what it says; null: a heartbeat that takes up what later ones say until it is
   *     sent
   * @param heartbeat is told when it is dealt with; null: a closing report
   */
  record Entry(Attempt attempt, TaskReport report, Heartbeat heartbeat) {
    static Entry closing(Attempt attempt, TaskReport report) {
      return new Entry(attempt, report, null);
    }

    static Entry of(Attempt attempt, Heartbeat heartbeat) {
      return new Entry(attempt, null, heartbeat);
    }

    /** The same with what it says, now that it is sent. */
    Entry taken() {
      return report != null ? this : new Entry(attempt, heartbeat.take(), heartbeat);
    }
  }

  /** Who is told what became of reports. */
  interface Owner {
    /** The server has answered a report. */
    void answered(Entry entry, ReportResult result);

    /** The server has refused the call of a report as a whole, alone. */
    void refused(Entry entry, Throwable error);

    /** Something went wrong and is being dealt with. */
    void told(Throwable error);
  }

  private final Calls calls;
  private final EventLoop loop;
  private final Owner owner;
  private final Deque<Entry> waiting = new ArrayDeque<>();

  /** Entries of a call that was refused as a whole: each is sent alone, to get its own answer. */
  private final Deque<Entry> alone = new ArrayDeque<>();

  private List<Entry> inFlight = List.of();
  private CompletableFuture<ReportTasksResponse> call;
  private boolean isScheduled;
  private boolean isClosed;

  ReportQueue(Calls calls, EventLoop loop, Owner owner) {
    this.calls = calls;
    this.loop = loop;
    this.owner = owner;
  }

  /** Queues a report. */
  void add(Entry entry) {
    if (isClosed) {
      dismiss(List.of(entry));
      return;
    }
    waiting.add(entry);
    schedule();
  }

  /** Gives up what has not been answered. */
  void close() {
    isClosed = true;
    if (call != null) {
      call.cancel(true);
    }
    dismiss(inFlight);
    dismiss(alone);
    dismiss(waiting);
  }

  private void dismiss(Collection<Entry> entries) {
    for (Entry entry : entries) {
      if (entry.heartbeat() != null) {
        entry.heartbeat().complete();
      }
    }
  }

  /** What is there by then, in the loop, goes into the same call. */
  private void schedule() {
    if (!isScheduled && inFlight.isEmpty()) {
      isScheduled = true;
      loop.execute(
          () -> {
            isScheduled = false;
            sendNext();
          });
    }
  }

  private void sendNext() {
    if (isClosed || !inFlight.isEmpty()) {
      return;
    }
    inFlight = alone.isEmpty() ? takeBatch() : List.of(alone.remove());
    if (!inFlight.isEmpty()) {
      send(1);
    }
  }

  private List<Entry> takeBatch() {
    List<Entry> batch = new ArrayList<>();
    long bytes = 0;
    while (!waiting.isEmpty() && batch.size() < REPORTS_MAX) {
      Entry next = waiting.remove().taken();
      bytes += next.report().getSerializedSize();
      if (bytes > BYTES_MAX && !batch.isEmpty()) {
        waiting.addFirst(next);
        break;
      }
      batch.add(next);
    }
    return batch;
  }

  /** Makes the call of what is in flight, for the n-th time. */
  private void send(int tries) {
    if (isClosed) {
      return;
    }
    ReportTasksRequest.Builder request = ReportTasksRequest.newBuilder().setBrief(true);
    inFlight.forEach(entry -> request.addReports(entry.report()));
    call = calls.callAsync(TaskServiceGrpc.getReportTasksMethod(), request.build(), null);
    call.whenCompleteAsync((answer, error) -> settled(answer, error, tries), loop);
  }

  private void settled(ReportTasksResponse answer, Throwable error, int tries) {
    if (isClosed) {
      return;
    }
    if (error instanceof MillpondException failure
        && failure.isWorthRepeating()
        && !calls.connection().isClosed()) {
      owner.told(failure);
      loop.after(Backoff.delayAfterMillis(failure, tries), () -> send(tries + 1));
      return;
    }
    List<Entry> sent = inFlight;
    inFlight = List.of();
    if (error == null) {
      answered(sent, answer.getResultsList());
    } else if (sent.size() == 1) {
      owner.refused(sent.get(0), error);
    } else {
      // One report may be to blame.
      alone.addAll(sent);
    }
    sendNext();
  }

  private void answered(List<Entry> sent, List<ReportResult> results) {
    for (int i = 0; i < sent.size(); i++) {
      if (i < results.size()) {
        owner.answered(sent.get(i), results.get(i));
      } else {
        String counts = results.size() + " of " + sent.size();
        Throwable error = new IllegalStateException("the server answered " + counts + " reports");
        owner.refused(sent.get(i), error);
      }
    }
  }
}
