package io.millpond.sdk;

import io.millpond.v1.AppendLogsRequest;
import io.millpond.v1.AppendLogsResponse;
import io.millpond.v1.ClaimTasksRequest;
import io.millpond.v1.ClaimTasksResponse;
import io.millpond.v1.ExtendLeasesRequest;
import io.millpond.v1.ExtendLeasesResponse;
import io.millpond.v1.ListLogsRequest;
import io.millpond.v1.ListLogsResponse;
import io.millpond.v1.ListWorkersRequest;
import io.millpond.v1.ListWorkersResponse;
import io.millpond.v1.WorkerServiceGrpc;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The unary calls of the WorkerService, as {@link MillpondClient#workers} answers them. */
public final class Workers {
  private final Calls calls;
  private final Duration timeout;

  /** Makes calls; without a timeout (null), with the client's. */
  Workers(Calls calls, Duration timeout) {
    this.calls = calls;
    this.timeout = timeout;
  }

  /**
   * Answers the same calls with another deadline.
   *
   * @param timeout how long each call may take, all its attempts together
   * @return the calls
   */
  public Workers withTimeout(Duration timeout) {
    return new Workers(calls, Objects.requireNonNull(timeout, "timeout"));
  }

  /**
   * Claims tasks for a lease. Never repeated. {@link Worker} does this, and what belongs to it.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ClaimTasksResponse claimTasks(ClaimTasksRequest request) {
    return calls.call(WorkerServiceGrpc.getClaimTasksMethod(), request, timeout);
  }

  /**
   * As {@link #claimTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ClaimTasksResponse> claimTasksAsync(ClaimTasksRequest request) {
    return calls.callAsync(WorkerServiceGrpc.getClaimTasksMethod(), request, timeout);
  }

  /**
   * Extends leases; answers for each of them, in the order of the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ExtendLeasesResponse extendLeases(ExtendLeasesRequest request) {
    return calls.call(WorkerServiceGrpc.getExtendLeasesMethod(), request, timeout);
  }

  /**
   * As {@link #extendLeases}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ExtendLeasesResponse> extendLeasesAsync(ExtendLeasesRequest request) {
    return calls.callAsync(WorkerServiceGrpc.getExtendLeasesMethod(), request, timeout);
  }

  /**
   * Appends lines to the log of an attempt, all or none.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public AppendLogsResponse appendLogs(AppendLogsRequest request) {
    return calls.call(WorkerServiceGrpc.getAppendLogsMethod(), request, timeout);
  }

  /**
   * As {@link #appendLogs}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<AppendLogsResponse> appendLogsAsync(AppendLogsRequest request) {
    return calls.callAsync(WorkerServiceGrpc.getAppendLogsMethod(), request, timeout);
  }

  /**
   * Reads a page of the log of an attempt. {@link MillpondClient#logs} reads all of it.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListLogsResponse listLogs(ListLogsRequest request) {
    return calls.call(WorkerServiceGrpc.getListLogsMethod(), request, timeout);
  }

  /**
   * As {@link #listLogs}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListLogsResponse> listLogsAsync(ListLogsRequest request) {
    return calls.callAsync(WorkerServiceGrpc.getListLogsMethod(), request, timeout);
  }

  /**
   * Lists workers that are connected, or have claimed tasks lately, in pages.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListWorkersResponse listWorkers(ListWorkersRequest request) {
    return calls.call(WorkerServiceGrpc.getListWorkersMethod(), request, timeout);
  }

  /**
   * As {@link #listWorkers}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListWorkersResponse> listWorkersAsync(ListWorkersRequest request) {
    return calls.callAsync(WorkerServiceGrpc.getListWorkersMethod(), request, timeout);
  }
}
