import { create } from "@bufbuild/protobuf";
import { reportTextLength } from "../commands/group-reports.ts";
import { type ItemResult, reportTasks } from "../commands/report-tasks.ts";
import { MillpondError, notFound } from "../domain/errors.ts";
import { type Report, ReportAction } from "../domain/report.ts";
import type { TaskReport } from "../gen/millpond/v1/report_pb.ts";
import {
  type ReportTasksRequest,
  type ReportTasksResponse,
  ReportTasksResponseSchema,
} from "../gen/millpond/v1/task_service_pb.ts";
import { decodeReport, encodeItemResult } from "../wire/report.ts";
import { writeReportResults } from "../wire/report-result-bytes.ts";
import { type CalledBy, isJsonCall } from "./is-json-call.ts";
import { naming } from "./name-missing.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";

/** ReportTasks: decodes reports, applies them and encodes what became of each, in order. */
export async function applyReports(
  deps: RpcDeps,
  { reports, brief }: ReportTasksRequest,
  context: CalledBy,
): Promise<ReportTasksResponse> {
  const results = await takeReports(deps, reports, { brief });
  const names = await namesOf(
    deps,
    results.flatMap((result) => result.state ?? []),
  );
  const response = create(ReportTasksResponseSchema);
  if (isJsonCall(context)) response.results = results.map((result) => encodeItemResult(result, names));
  else response.$unknown = writeReportResults(results, names);
  return response;
}

/** Decodes and applies reports, each on its own: one that cannot be read or names no task harms no other. */
export async function takeReports(
  deps: RpcDeps,
  messages: readonly TaskReport[],
  { brief = false }: { readonly brief?: boolean } = {},
): Promise<ItemResult[]> {
  return takeReadReports(deps, readReports(deps, messages, brief));
}

/** Reports of a message as they were read: each a report or why it is none, with the id that the caller gave. */
export interface ReadReports {
  readonly items: readonly { readonly taskId: string; readonly report: Report | MillpondError }[];
  /** About what they hold in memory. */
  readonly bytes: number;
  readonly brief: boolean;
}

const bytesOfPlainReport = 400;

/** Decodes the reports of a message. */
export function readReports(deps: RpcDeps, messages: readonly TaskReport[], brief: boolean): ReadReports {
  const items = messages.map((message, n) => {
    const report = decode(deps, message, `reports[${n}]`);
    return { taskId: message.taskId, report };
  });
  const bytes = items.reduce(
    (sum, { report }) => sum + bytesOfPlainReport + (report instanceof MillpondError ? 0 : reportTextLength(report)),
    0,
  );
  return { items, bytes, brief };
}

/** Applies reports that were read. */
export async function takeReadReports(
  deps: RpcDeps,
  { items, brief }: Pick<ReadReports, "items" | "brief">,
): Promise<ItemResult[]> {
  const readable = items.flatMap(({ report }) => (report instanceof MillpondError ? [] : [report]));
  const results = readable.length === 0 ? [] : await reportTasks(deps.engine, readable, { brief });
  const closed = readable.flatMap(({ id, action }, n) =>
    action >= ReportAction.SUCCESS && results[n]?.error === undefined ? [id] : [],
  );
  deps.roster.over(closed);
  deps.attempts.reported(closed);
  let next = 0;
  return items.map(({ taskId, report }) => {
    if (report instanceof MillpondError) return { state: undefined, error: report };
    const result = results[next++] as ItemResult;
    return { ...result, error: naming(result.error, taskId) };
  });
}

function decode(deps: RpcDeps, message: TaskReport, field: string): Report | MillpondError {
  const id = deps.ids.decode(message.taskId);
  if (id === undefined) return notFound("TASK_NOT_FOUND", message.taskId);
  try {
    return decodeReport(message, id, field);
  } catch (error) {
    if (error instanceof MillpondError) return error;
    throw error;
  }
}
