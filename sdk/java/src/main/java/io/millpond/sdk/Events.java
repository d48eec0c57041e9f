package io.millpond.sdk;

import io.millpond.v1.EventServiceGrpc;
import io.millpond.v1.ListEventsRequest;
import io.millpond.v1.ListEventsResponse;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The unary calls of the EventService, as {@link MillpondClient#events} answers them. */
public final class Events {
  private final Calls calls;
  private final Duration timeout;

  /** Makes calls; without a timeout (null), with the client's. */
  Events(Calls calls, Duration timeout) {
    this.calls = calls;
    this.timeout = timeout;
  }

  /**
   * Answers the same calls with another deadline.
   *
   * @param timeout how long each call may take, all its attempts together
   * @return the calls
   */
  public Events withTimeout(Duration timeout) {
    return new Events(calls, Objects.requireNonNull(timeout, "timeout"));
  }

  /**
   * Reads a page of the events after a cursor. {@link MillpondClient#watch} reads them as they
   * come.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListEventsResponse listEvents(ListEventsRequest request) {
    return calls.call(EventServiceGrpc.getListEventsMethod(), request, timeout);
  }

  /**
   * As {@link #listEvents}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListEventsResponse> listEventsAsync(ListEventsRequest request) {
    return calls.callAsync(EventServiceGrpc.getListEventsMethod(), request, timeout);
  }
}
