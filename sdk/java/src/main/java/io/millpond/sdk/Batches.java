package io.millpond.sdk;

import io.millpond.v1.BatchServiceGrpc;
import io.millpond.v1.GetBatchGraphRequest;
import io.millpond.v1.GetBatchGraphResponse;
import io.millpond.v1.GetBatchRequest;
import io.millpond.v1.GetBatchResponse;
import io.millpond.v1.ListBatchesRequest;
import io.millpond.v1.ListBatchesResponse;
import io.millpond.v1.ListRuleUsageRequest;
import io.millpond.v1.ListRuleUsageResponse;
import io.millpond.v1.PauseBatchRequest;
import io.millpond.v1.PauseBatchResponse;
import io.millpond.v1.ResumeBatchRequest;
import io.millpond.v1.ResumeBatchResponse;
import io.millpond.v1.RetryBatchRequest;
import io.millpond.v1.RetryBatchResponse;
import io.millpond.v1.SealBatchRequest;
import io.millpond.v1.SealBatchResponse;
import io.millpond.v1.StopBatchRequest;
import io.millpond.v1.StopBatchResponse;
import io.millpond.v1.UpdateBatchRulesRequest;
import io.millpond.v1.UpdateBatchRulesResponse;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The calls of the BatchService, as {@link MillpondClient#batches} answers them. */
public final class Batches {
  private final Calls calls;
  private final Duration timeout;

  /** Makes calls; without a timeout (null), with the client's. */
  Batches(Calls calls, Duration timeout) {
    this.calls = calls;
    this.timeout = timeout;
  }

  /**
   * Answers the same calls with another deadline.
   *
   * @param timeout how long each call may take, all its attempts together
   * @return the calls
   */
  public Batches withTimeout(Duration timeout) {
    return new Batches(calls, Objects.requireNonNull(timeout, "timeout"));
  }

  /**
   * Reads one batch with its statistics.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public GetBatchResponse getBatch(GetBatchRequest request) {
    return calls.call(BatchServiceGrpc.getGetBatchMethod(), request, timeout);
  }

  /**
   * As {@link #getBatch}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<GetBatchResponse> getBatchAsync(GetBatchRequest request) {
    return calls.callAsync(BatchServiceGrpc.getGetBatchMethod(), request, timeout);
  }

  /**
   * Lists batches, newest first, in pages.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListBatchesResponse listBatches(ListBatchesRequest request) {
    return calls.call(BatchServiceGrpc.getListBatchesMethod(), request, timeout);
  }

  /**
   * As {@link #listBatches}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListBatchesResponse> listBatchesAsync(ListBatchesRequest request) {
    return calls.callAsync(BatchServiceGrpc.getListBatchesMethod(), request, timeout);
  }

  /**
   * Closes an open batch: it takes no more tasks, and ends when its last task has ended.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public SealBatchResponse sealBatch(SealBatchRequest request) {
    return calls.call(BatchServiceGrpc.getSealBatchMethod(), request, timeout);
  }

  /**
   * As {@link #sealBatch}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<SealBatchResponse> sealBatchAsync(SealBatchRequest request) {
    return calls.callAsync(BatchServiceGrpc.getSealBatchMethod(), request, timeout);
  }

  /**
   * Cancels everything in a batch that has not ended, and seals it.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public StopBatchResponse stopBatch(StopBatchRequest request) {
    return calls.call(BatchServiceGrpc.getStopBatchMethod(), request, timeout);
  }

  /**
   * As {@link #stopBatch}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<StopBatchResponse> stopBatchAsync(StopBatchRequest request) {
    return calls.callAsync(BatchServiceGrpc.getStopBatchMethod(), request, timeout);
  }

  /**
   * Holds every future start in a batch; touches nothing that runs.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public PauseBatchResponse pauseBatch(PauseBatchRequest request) {
    return calls.call(BatchServiceGrpc.getPauseBatchMethod(), request, timeout);
  }

  /**
   * As {@link #pauseBatch}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<PauseBatchResponse> pauseBatchAsync(PauseBatchRequest request) {
    return calls.callAsync(BatchServiceGrpc.getPauseBatchMethod(), request, timeout);
  }

  /**
   * Lets the tasks of a held batch start again.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ResumeBatchResponse resumeBatch(ResumeBatchRequest request) {
    return calls.call(BatchServiceGrpc.getResumeBatchMethod(), request, timeout);
  }

  /**
   * As {@link #resumeBatch}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ResumeBatchResponse> resumeBatchAsync(ResumeBatchRequest request) {
    return calls.callAsync(BatchServiceGrpc.getResumeBatchMethod(), request, timeout);
  }

  /**
   * Runs failed and canceled tasks of a batch again, and what they brought down.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public RetryBatchResponse retryBatch(RetryBatchRequest request) {
    return calls.call(BatchServiceGrpc.getRetryBatchMethod(), request, timeout);
  }

  /**
   * As {@link #retryBatch}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<RetryBatchResponse> retryBatchAsync(RetryBatchRequest request) {
    return calls.callAsync(BatchServiceGrpc.getRetryBatchMethod(), request, timeout);
  }

  /**
   * Replaces the rules of all tasks of one kind in a batch that is under way.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public UpdateBatchRulesResponse updateBatchRules(UpdateBatchRulesRequest request) {
    return calls.call(BatchServiceGrpc.getUpdateBatchRulesMethod(), request, timeout);
  }

  /**
   * As {@link #updateBatchRules}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<UpdateBatchRulesResponse> updateBatchRulesAsync(
      UpdateBatchRulesRequest request) {
    return calls.callAsync(BatchServiceGrpc.getUpdateBatchRulesMethod(), request, timeout);
  }

  /**
   * Reads the graph of a batch, in pages of nodes with their incoming edges.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public GetBatchGraphResponse getBatchGraph(GetBatchGraphRequest request) {
    return calls.call(BatchServiceGrpc.getGetBatchGraphMethod(), request, timeout);
  }

  /**
   * As {@link #getBatchGraph}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<GetBatchGraphResponse> getBatchGraphAsync(GetBatchGraphRequest request) {
    return calls.callAsync(BatchServiceGrpc.getGetBatchGraphMethod(), request, timeout);
  }

  /**
   * Lists the keys of rules that are in use or waited for, the longest queue first, in pages.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListRuleUsageResponse listRuleUsage(ListRuleUsageRequest request) {
    return calls.call(BatchServiceGrpc.getListRuleUsageMethod(), request, timeout);
  }

  /**
   * As {@link #listRuleUsage}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListRuleUsageResponse> listRuleUsageAsync(ListRuleUsageRequest request) {
    return calls.callAsync(BatchServiceGrpc.getListRuleUsageMethod(), request, timeout);
  }
}
