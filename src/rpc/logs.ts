import type { HandlerContext } from "@connectrpc/connect";
import { appendLogs } from "../commands/append-logs.ts";
import { notFound } from "../domain/errors.ts";
import { listLogs } from "../events/list-logs.ts";
import { formatLogCursor, parseLogCursor } from "../events/log-cursor.ts";
import {
  type AppendLogsRequest,
  AppendLogsRequestSchema,
  type ListLogsRequest,
} from "../gen/millpond/v1/worker_service_pb.ts";
import { decodeLogEntry, encodeLogLine } from "../wire/log.ts";
import { millisOf } from "../wire/time.ts";
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
