package io.millpond.sdk;

import io.millpond.v1.DeliveryServiceGrpc;
import io.millpond.v1.ListDeliveriesRequest;
import io.millpond.v1.ListDeliveriesResponse;
import io.millpond.v1.ReplayDeliveriesRequest;
import io.millpond.v1.ReplayDeliveriesResponse;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The calls of the DeliveryService, as {@link MillpondClient#deliveries} answers them. */
public final class Deliveries {
  private final Calls calls;
  private final Duration timeout;

  /** Makes calls; without a timeout (null), with the client's. */
  Deliveries(Calls calls, Duration timeout) {
    this.calls = calls;
    this.timeout = timeout;
  }

  /**
   * Answers the same calls with another deadline.
   *
   * @param timeout how long each call may take, all its attempts together
   * @return the calls
   */
  public Deliveries withTimeout(Duration timeout) {
    return new Deliveries(calls, Objects.requireNonNull(timeout, "timeout"));
  }

  /**
   * Lists deliveries of webhooks, newest first, in pages.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListDeliveriesResponse listDeliveries(ListDeliveriesRequest request) {
    return calls.call(DeliveryServiceGrpc.getListDeliveriesMethod(), request, timeout);
  }

  /**
   * As {@link #listDeliveries}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListDeliveriesResponse> listDeliveriesAsync(
      ListDeliveriesRequest request) {
    return calls.callAsync(DeliveryServiceGrpc.getListDeliveriesMethod(), request, timeout);
  }

  /**
   * Makes deliveries of webhooks due again, all or none.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ReplayDeliveriesResponse replayDeliveries(ReplayDeliveriesRequest request) {
    return calls.call(DeliveryServiceGrpc.getReplayDeliveriesMethod(), request, timeout);
  }

  /**
   * As {@link #replayDeliveries}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ReplayDeliveriesResponse> replayDeliveriesAsync(
      ReplayDeliveriesRequest request) {
    return calls.callAsync(DeliveryServiceGrpc.getReplayDeliveriesMethod(), request, timeout);
  }
}
