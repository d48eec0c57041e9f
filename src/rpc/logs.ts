import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { appendLogs } from "../commands/append-logs.ts";
import { type ErrorReason, MillpondError, notFound } from "../domain/errors.ts";
import { listLogs } from "../events/list-logs.ts";
import { formatLogCursor, parseLogCursor } from "../events/log-cursor.ts";
import {
  type AppendLogsRequest,
  AppendLogsRequestSchema,
  type ListLogsRequest,
  type WorkerLogs,
  type WorkResponse,
} from "../gen/millpond/v1/worker_service_pb.ts";
import { decodeLogEntry, encodeLogLine } from "../wire/log.ts";
import { millisOf } from "../wire/time.ts";
import { cancelAttempt, leaseLost, logsTaken } from "../wire/work-response.ts";
import { nameMissing } from "./name-missing.ts";
import { type RpcDeps, requestKey } from "./rpc-deps.ts";

const pageSizeDefault = 50;
const pageSizeMax = 1000;

/** AppendLogs. */
export function append(deps: RpcDeps, request: AppendLogsRequest) {
  const command = {
    request: requestKey(AppendLogsRequestSchema, request),
    ...{ id: deps.ids.decode(request.taskId), attempt: request.attempt },
    lines: request.entries.map(decodeLogEntry),
  };
  return nameMissing(request.taskId, appendLogs(deps.engine, command));
}

/**
 * Appends lines that came by a worker's stream, as AppendLogs does, under the same identity. Answers what its worker is to be told of: that they are in, if it has named them, that
 * the attempt is to be stopped, or is lost. Other failures end the stream.
 */
export async function appendStreamed(
  deps: RpcDeps,
  { lease, entries, requestId }: WorkerLogs,
): Promise<readonly WorkResponse[]> {
  const { taskId = "", attempt = 0 } = lease ?? {};
  try {
    const request = create(AppendLogsRequestSchema, { taskId, attempt, entries, requestId });
    const { cancelRequested, truncated } = await append(deps, request);
    return [
      ...(requestId === "" ? [] : [logsTaken(requestId, truncated)]),
      ...(cancelRequested ? [cancelAttempt(taskId, attempt, "the server asked to stop the attempt")] : []),
    ];
  } catch (error) {
    if (!(error instanceof MillpondError && isLost.has(error.reason))) throw error;
    return [leaseLost(taskId, attempt)];
  }
}

const isLost: ReadonlySet<ErrorReason> = new Set(["TASK_NOT_FOUND", "STALE_ATTEMPT"]);

/** ListLogs. */
export async function list(deps: RpcDeps, request: ListLogsRequest, context: HandlerContext) {
  const { taskId, attempt, cursor, pageSize, waitTimeout } = request;
  const id = deps.ids.decode(taskId);
  if (id === undefined) throw notFound("TASK_NOT_FOUND", taskId);
  const page = listLogs(deps.logs, {
    ...{ id, attempt, signal: context.signal },
    cursor: cursor === "" ? undefined : parseLogCursor(id, cursor),
    size: pageSize === 0 ? pageSizeDefault : Math.min(pageSize, pageSizeMax),
    waitMs: waitTimeout === undefined ? 0 : millisOf(waitTimeout),
  });
  const { lines, next, truncated, over } = await nameMissing(taskId, page);
  return {
    entries: lines.map(encodeLogLine),
    nextCursor: formatLogCursor(id, next),
    ...{ truncated, attemptEnded: over },
  };
}
