package io.millpond.sdk;

import com.google.protobuf.DescriptorProtos.MethodOptions.IdempotencyLevel;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.protobuf.ProtoMethodDescriptorSupplier;
import io.millpond.v1.ReportTasksRequest;
import io.millpond.v1.TaskReport;
import io.millpond.v1.WorkerServiceGrpc;
import java.util.UUID;

/** Says which calls do no harm when they are made again, and makes more of them so. */
final class Repeats {
  private static final String REQUEST_ID = "request_id";

  private Repeats() {}

  /**
   * Answers the request with a request id, if it can have one and has none: then repeating it
   * cannot do its work twice. The given message is not changed.
   */
  @SuppressWarnings("unchecked") // A builder builds the type of the message that it was made from.
  static <Q> Q withRequestId(Q request) {
    if (!(request instanceof Message message)) {
      return request;
    }
    FieldDescriptor field = message.getDescriptorForType().findFieldByName(REQUEST_ID);
    if (field == null || !message.getField(field).equals("")) {
      return request;
    }
    String requestId = UUID.randomUUID().toString();
    return (Q) message.toBuilder().setField(field, requestId).build();
  }

  /**
   * Whether a call may be made again: reads, calls with a request id, extensions of leases, and
   * reports that do not count twice. A claim never is: its first answer may be on its way.
   */
  static boolean areSafe(MethodDescriptor<?, ?> method, Object request) {
    if (isWithoutSideEffects(method) || method.equals(WorkerServiceGrpc.getExtendLeasesMethod())) {
      return true;
    }
    if (request instanceof ReportTasksRequest reports) {
      return reports.getReportsList().stream().allMatch(Repeats::isRepeatable);
    }
    if (request instanceof Message message) {
      FieldDescriptor field = message.getDescriptorForType().findFieldByName(REQUEST_ID);
      return field != null && !message.getField(field).equals("");
    }
    return false;
  }

  private static boolean isWithoutSideEffects(MethodDescriptor<?, ?> method) {
    return method.getSchemaDescriptor() instanceof ProtoMethodDescriptorSupplier schema
        && schema.getMethodDescriptor().getOptions().getIdempotencyLevel()
            == IdempotencyLevel.NO_SIDE_EFFECTS;
  }

  /**
   * A repeated closing report is refused, so what it adds to the counters is added once; any other
   * adds again. A report on whichever attempt is current may, when repeated, meet the next one.
   */
  private static boolean isRepeatable(TaskReport report) {
    if (report.getAttempt() == 0) {
      return false;
    }
    return report.hasSuccess()
        || report.hasFailure()
        || (report.getAddSuccessCount() == 0 && report.getAddFailureCount() == 0);
  }
}
