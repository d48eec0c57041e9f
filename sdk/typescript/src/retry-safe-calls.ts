import { setTimeout as sleep } from "node:timers/promises";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Interceptor, UnaryRequest } from "@connectrpc/connect";
import { isTransient, retryDelayMs } from "./errors.ts";
import { TaskService } from "./gen/millpond/v1/task_service_pb.js";
import { WorkerService } from "./gen/millpond/v1/worker_service_pb.js";
import { backoffMs, type RetryPolicy } from "./retry-policy.ts";

/** Calls without a request id that do no harm when they are repeated: a repeated closing report answers TASK_ENDED. */
const repeatable: ReadonlySet<unknown> = new Set([TaskService.method.reportTasks, WorkerService.method.extendLeases]);

/**
 * retrySafeCalls repeats unary calls that failed because the server was away, or that it asked to repeat (RetryInfo),
 * if repeating is safe: reads, calls with a request id, reports and extensions of leases. A claim is never repeated: its
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
  if (method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS || repeatable.has(method)) return true;
  return "requestId" in message && message.requestId !== "";
}

/** How long to wait before the call is repeated; undefined: it is not. */
function delayBeforeRepeat(error: unknown, policy: RetryPolicy, failures: number): number | undefined {
  const requestedMs = retryDelayMs(error);
  if (requestedMs !== undefined) {
    if (requestedMs > policy.maxRequestedDelayMs) return undefined;
    return requestedMs + backoffMs(policy, 1);
  }
  return isTransient(error) ? backoffMs(policy, failures) : undefined;
}
