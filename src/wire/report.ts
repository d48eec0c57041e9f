import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { MillpondError } from "../domain/errors.ts";
import { plainReport, type Report, ReportAction } from "../domain/report.ts";
import { isToStop, type TaskState } from "../domain/task.ts";
import { FailureCause } from "../domain/task-status.ts";
import { ErrorReason } from "../gen/millpond/v1/error_reason_pb.ts";
import {
  type ItemError,
  ItemErrorSchema,
  type ReportResult,
  ReportResultSchema,
  type TaskReport,
} from "../gen/millpond/v1/report_pb.ts";
import { TaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { jsonBytesMax, valueText } from "./json.ts";
import { encodeTaskState, type Names } from "./task.ts";
import { millisOf } from "./time.ts";

/** Reads a report; `field` is its path in the request. The id has been read before. */
export function decodeReport(message: TaskReport, id: bigint, field: string): Report {
  const { report, attempt, addSuccessCount: successCount, addFailureCount: failureCount } = message;
  switch (report.case) {
    case "heartbeat": {
      const limits = { field: `${field}.heartbeat.progress`, bytesMax: jsonBytesMax.progress };
      const progress = valueText(report.value.progress, limits);
      return { ...plainReport, id, attempt, successCount, failureCount, action: ReportAction.HEARTBEAT, progress };
    }
    case "success": {
      // Most have none: then no path is made.
      const { output: given } = report.value;
      const output =
        given === undefined
          ? null
          : valueText(given, { field: `${field}.success.output`, bytesMax: jsonBytesMax.output });
      return { ...plainReport, id, attempt, successCount, failureCount, action: ReportAction.SUCCESS, output };
    }
    case "failure": {
      const { message: text, code, details, nonRetryable, retryDelay } = report.value;
      return {
        ...plainReport,
        ...{ id, attempt, successCount, failureCount, action: ReportAction.FAILURE },
        ...{ cause: FailureCause.REPORTED, message: text, code },
        details: valueText(details, { field: `${field}.failure.details`, bytesMax: jsonBytesMax.details }),
        ...{ nonRetryable, retryDelayMs: retryDelay === undefined ? null : millisOf(retryDelay) },
      };
    }
    default:
      return { ...plainReport, id, attempt, successCount, failureCount, action: ReportAction.STARTED };
  }
}

/** What became of an item: the state of its task, or why it was refused. */
export interface ItemOutcome {
  readonly state: TaskState | undefined;
  /** What is shown of a task whose state was not asked for. */
  readonly reported?: { readonly id: bigint; readonly status: number; readonly attempt: number };
  readonly error: MillpondError | undefined;
}

/** Writes what became of an item. */
export function encodeItemResult(result: ItemOutcome, names: Names): ReportResult {
  const { state, reported, error } = result;
  if (error === undefined && state === undefined && reported !== undefined) {
    const { id, status, attempt } = reported;
    const task = create(TaskSchema, { taskId: names.ids.encode(id), status: status as never, attempt });
    return create(ReportResultSchema, { result: { case: "task", value: task } });
  }
  const value: MessageInitShape<typeof ReportResultSchema>["result"] =
    error === undefined && state !== undefined
      ? { case: "task", value: encodeTaskState(state, names) }
      : { case: "error", value: encodeItemError(error, state?.status) };
  const cancelRequested =
    error !== undefined && ((state !== undefined && isToStop(state)) || error.reason === "STALE_ATTEMPT");
  return create(ReportResultSchema, { result: value, cancelRequested });
}

/** Writes why an item was refused. */
export function encodeItemError(error: MillpondError | undefined, status: number | undefined): ItemError {
  return create(ItemErrorSchema, {
    reason: error === undefined ? ErrorReason.UNSPECIFIED : ErrorReason[error.reason],
    message: error?.message ?? "",
    currentStatus: (status ?? 0) as never,
    metadata: { ...error?.metadata },
  });
}
