package io.millpond.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.MethodDescriptor;
import io.millpond.v1.AddCountsRequest;
import io.millpond.v1.ClaimTasksRequest;
import io.millpond.v1.CreateTasksRequest;
import io.millpond.v1.ExtendLeasesRequest;
import io.millpond.v1.GetTaskRequest;
import io.millpond.v1.ReportTasksRequest;
import io.millpond.v1.TaskReport;
import io.millpond.v1.TaskServiceGrpc;
import io.millpond.v1.WorkerServiceGrpc;
import java.util.List;
import org.junit.jupiter.api.Test;

class RepeatsTest {
  private static final MethodDescriptor<?, ?> REPORT = TaskServiceGrpc.getReportTasksMethod();

  @Test
  void areSafeForReadsAndExtensions() {
    assertTrue(
        Repeats.areSafe(TaskServiceGrpc.getGetTaskMethod(), GetTaskRequest.getDefaultInstance()));
    assertTrue(
        Repeats.areSafe(
            WorkerServiceGrpc.getExtendLeasesMethod(), ExtendLeasesRequest.getDefaultInstance()));
  }

  @Test
  void areSafeWithARequestId() {
    AddCountsRequest request = AddCountsRequest.getDefaultInstance();
    assertFalse(Repeats.areSafe(TaskServiceGrpc.getAddCountsMethod(), request));
    AddCountsRequest named = request.toBuilder().setRequestId("once").build();
    assertTrue(Repeats.areSafe(TaskServiceGrpc.getAddCountsMethod(), named));
  }

  @Test
  void areNeverSafeForClaims() {
    ClaimTasksRequest request = Repeats.withRequestId(ClaimTasksRequest.getDefaultInstance());
    assertFalse(Repeats.areSafe(WorkerServiceGrpc.getClaimTasksMethod(), request));
  }

  @Test
  void areSafeForReportsThatCountOnce() {
    TaskReport success =
        TaskReport.newBuilder()
            .setAttempt(1)
            .setSuccess(TaskReport.Success.getDefaultInstance())
            .setAddSuccessCount(5)
            .build();
    TaskReport heartbeat =
        TaskReport.newBuilder()
            .setAttempt(1)
            .setHeartbeat(TaskReport.Heartbeat.getDefaultInstance())
            .build();
    assertTrue(Repeats.areSafe(REPORT, reports(success, heartbeat)));
    TaskReport counting = heartbeat.toBuilder().setAddFailureCount(1).build();
    assertFalse(Repeats.areSafe(REPORT, reports(success, counting)));
    TaskReport ofAnyAttempt = success.toBuilder().setAttempt(0).build();
    assertFalse(Repeats.areSafe(REPORT, reports(ofAnyAttempt)));
  }

  @Test
  void giveACopyOfTheRequestAnId() {
    CreateTasksRequest request = CreateTasksRequest.getDefaultInstance();
    CreateTasksRequest first = Repeats.withRequestId(request);
    CreateTasksRequest second = Repeats.withRequestId(request);
    assertEquals("", request.getRequestId());
    assertEquals(36, first.getRequestId().length());
    assertNotEquals(first.getRequestId(), second.getRequestId());
    assertSame(first, Repeats.withRequestId(first));
  }

  private static ReportTasksRequest reports(TaskReport... reports) {
    return ReportTasksRequest.newBuilder().addAllReports(List.of(reports)).build();
  }
}
