import { setTimeout as sleep } from "node:timers/promises";
import { isMessage } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Interceptor, UnaryRequest } from "@connectrpc/connect";
import { isTransient, retryDelayMs } from "./errors.ts";
import type { TaskReport } from "./gen/millpond/v1/report_pb.js";
import { ReportTasksRequestSchema } from "./gen/millpond/v1/task_service_pb.js";
import { WorkerService } from "./gen/millpond/v1/worker_service_pb.js";
import { backoffMs, type RetryPolicy } from "./retry-policy.ts";

/**
 * retrySafeCalls repeats unary calls that failed because the server was away, or that it asked to repeat (RetryInfo),
 * if repeating is safe: reads, calls with a request id, extensions of leases, and reports that do not count twice. A claim is never repeated: its
 * first answer may be on its way. All repeats share the call's deadline.
 */
export function retrySafeCalls(policy: RetryPolicy): Interceptor {
  return (next) => async (request) => {
    if (request.stream || !isSafeToRepeat(request)) return next(request);
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(request);
      } catch (error) {
        const delayMs = attempt < policy.maxAttempts ? delayBeforeRepeat(error, policy, attempt) : undefined;
        if (delayMs === undefined || request.signal.aborted) throw error;
        await sleep(delayMs, undefined, { signal: request.signal });
      }
    }
  };
}

function isSafeToRepeat({ method, message }: UnaryRequest): boolean {
  if (method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return true;
  if (method === WorkerService.method.extendLeases) return true;
  if (isMessage(message, ReportTasksRequestSchema)) return message.reports.every(isRepeatable);
  return "requestId" in message && message.requestId !== "";
}

/**
 * A repeated closing report is refused, so what it adds to the counters is added once; any other report adds again. A
 * report on whichever attempt is current may, when it is repeated, meet the next one.
 */
function isRepeatable({ attempt, report, addSuccessCount, addFailureCount }: TaskReport): boolean {
  if (attempt === 0) return false;
  const closing = report.case === "success" || report.case === "failure";
  return closing || (addSuccessCount === 0n && addFailureCount === 0n);
}

/** delayBeforeRepeat is how long to wait before a call that is safe to repeat is repeated; undefined: it is not. */
export function delayBeforeRepeat(error: unknown, policy: RetryPolicy, failures: number): number | undefined {
  const requestedMs = retryDelayMs(error);
  if (requestedMs !== undefined) {
    if (requestedMs > policy.maxRequestedDelayMs) return undefined;
    return requestedMs + backoffMs(policy, 1);
  }
  return isTransient(error) ? backoffMs(policy, failures) : undefined;
}
