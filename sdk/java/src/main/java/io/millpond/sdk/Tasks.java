package io.millpond.sdk;

import io.millpond.v1.AddCountsRequest;
import io.millpond.v1.AddCountsResponse;
import io.millpond.v1.CancelTasksRequest;
import io.millpond.v1.CancelTasksResponse;
import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.CreateTasksResponse;
import io.millpond.v1.ExplainTaskRequest;
import io.millpond.v1.ExplainTaskResponse;
import io.millpond.v1.GetTaskRequest;
import io.millpond.v1.GetTaskResponse;
import io.millpond.v1.ListTasksRequest;
import io.millpond.v1.ListTasksResponse;
import io.millpond.v1.PauseTasksRequest;
import io.millpond.v1.PauseTasksResponse;
import io.millpond.v1.ReportTasksRequest;
import io.millpond.v1.ReportTasksResponse;
import io.millpond.v1.ResumeTasksRequest;
import io.millpond.v1.ResumeTasksResponse;
import io.millpond.v1.RetryTasksRequest;
import io.millpond.v1.RetryTasksResponse;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.UpdateTaskRequest;
import io.millpond.v1.UpdateTaskResponse;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** The unary calls of the TaskService, as {@link MillpondClient#tasks} answers them. */
public final class Tasks {
  private final Calls calls;
  private final Duration timeout;

  /** Makes calls; without a timeout (null), with the client's. */
  Tasks(Calls calls, Duration timeout) {
    this.calls = calls;
    this.timeout = timeout;
  }

  /**
   * Answers the same calls with another deadline.
   *
   * @param timeout how long each call may take, all its attempts together
   * @return the calls
   */
  public Tasks withTimeout(Duration timeout) {
    return new Tasks(calls, Objects.requireNonNull(timeout, "timeout"));
  }

  /**
   * Creates a graph of tasks, all or none: in a new batch, or into an open one. At most 10,000
   * tasks; {@link TaskGraph} makes the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public CreateTasksResponse createTasks(CreateTasksRequest request) {
    return calls.call(TaskServiceGrpc.getCreateTasksMethod(), request, timeout);
  }

  /**
   * As {@link #createTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<CreateTasksResponse> createTasksAsync(CreateTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getCreateTasksMethod(), request, timeout);
  }

  /**
   * Reads one task, whole.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public GetTaskResponse getTask(GetTaskRequest request) {
    return calls.call(TaskServiceGrpc.getGetTaskMethod(), request, timeout);
  }

  /**
   * As {@link #getTask}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<GetTaskResponse> getTaskAsync(GetTaskRequest request) {
    return calls.callAsync(TaskServiceGrpc.getGetTaskMethod(), request, timeout);
  }

  /**
   * Lists tasks, newest first, in pages.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ListTasksResponse listTasks(ListTasksRequest request) {
    return calls.call(TaskServiceGrpc.getListTasksMethod(), request, timeout);
  }

  /**
   * As {@link #listTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ListTasksResponse> listTasksAsync(ListTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getListTasksMethod(), request, timeout);
  }

  /**
   * Changes a task that has not ended.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public UpdateTaskResponse updateTask(UpdateTaskRequest request) {
    return calls.call(TaskServiceGrpc.getUpdateTaskMethod(), request, timeout);
  }

  /**
   * As {@link #updateTask}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<UpdateTaskResponse> updateTaskAsync(UpdateTaskRequest request) {
    return calls.callAsync(TaskServiceGrpc.getUpdateTaskMethod(), request, timeout);
  }

  /**
   * Takes reports of executors; answers for each of them, in the order of the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ReportTasksResponse reportTasks(ReportTasksRequest request) {
    return calls.call(TaskServiceGrpc.getReportTasksMethod(), request, timeout);
  }

  /**
   * As {@link #reportTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ReportTasksResponse> reportTasksAsync(ReportTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getReportTasksMethod(), request, timeout);
  }

  /**
   * Adds to the counters of tasks that have not ended.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public AddCountsResponse addCounts(AddCountsRequest request) {
    return calls.call(TaskServiceGrpc.getAddCountsMethod(), request, timeout);
  }

  /**
   * As {@link #addCounts}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<AddCountsResponse> addCountsAsync(AddCountsRequest request) {
    return calls.callAsync(TaskServiceGrpc.getAddCountsMethod(), request, timeout);
  }

  /**
   * Cancels tasks that have not ended; answers for each of them, in the order of the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public CancelTasksResponse cancelTasks(CancelTasksRequest request) {
    return calls.call(TaskServiceGrpc.getCancelTasksMethod(), request, timeout);
  }

  /**
   * As {@link #cancelTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<CancelTasksResponse> cancelTasksAsync(CancelTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getCancelTasksMethod(), request, timeout);
  }

  /**
   * Holds tasks that are waiting or pending; answers for each of them, in the order of the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public PauseTasksResponse pauseTasks(PauseTasksRequest request) {
    return calls.call(TaskServiceGrpc.getPauseTasksMethod(), request, timeout);
  }

  /**
   * As {@link #pauseTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<PauseTasksResponse> pauseTasksAsync(PauseTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getPauseTasksMethod(), request, timeout);
  }

  /**
   * Lets held tasks go; answers for each of them, in the order of the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ResumeTasksResponse resumeTasks(ResumeTasksRequest request) {
    return calls.call(TaskServiceGrpc.getResumeTasksMethod(), request, timeout);
  }

  /**
   * As {@link #resumeTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ResumeTasksResponse> resumeTasksAsync(ResumeTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getResumeTasksMethod(), request, timeout);
  }

  /**
   * Runs ended tasks again; answers for each of them, in the order of the request.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public RetryTasksResponse retryTasks(RetryTasksRequest request) {
    return calls.call(TaskServiceGrpc.getRetryTasksMethod(), request, timeout);
  }

  /**
   * As {@link #retryTasks}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<RetryTasksResponse> retryTasksAsync(RetryTasksRequest request) {
    return calls.callAsync(TaskServiceGrpc.getRetryTasksMethod(), request, timeout);
  }

  /**
   * Says why a task is not running.
   *
   * @param request the request
   * @return the answer
   * @throws MillpondException when the call fails
   */
  public ExplainTaskResponse explainTask(ExplainTaskRequest request) {
    return calls.call(TaskServiceGrpc.getExplainTaskMethod(), request, timeout);
  }

  /**
   * As {@link #explainTask}, without waiting.
   *
   * @param request the request
   * @return the answer, or a {@link MillpondException}
   */
  public CompletableFuture<ExplainTaskResponse> explainTaskAsync(ExplainTaskRequest request) {
    return calls.callAsync(TaskServiceGrpc.getExplainTaskMethod(), request, timeout);
  }
}
