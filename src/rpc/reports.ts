import { type ItemResult, reportTasks } from "../commands/report-tasks.ts";
import { MillpondError, notFound } from "../domain/errors.ts";
import type { Report } from "../domain/report.ts";
import type { ReportResult, TaskReport } from "../gen/millpond/v1/report_pb.ts";
import { decodeReport, encodeItemResult } from "../wire/report.ts";
import { naming } from "./name-missing.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";

/** Decodes reports, applies them and encodes what became of each, in order. */
export async function applyReports(
  deps: RpcDeps,
  messages: readonly TaskReport[],
  options: { readonly brief?: boolean } = {},
): Promise<ReportResult[]> {
  const results = await takeReports(deps, messages, options);
  const names = await namesOf(
    deps,
    results.flatMap((result) => result.state ?? []),
  );
  return results.map((result) => encodeItemResult(result, names));
}

/** Decodes and applies reports, each on its own: one that cannot be read or names no task harms no other. */
export async function takeReports(
  deps: RpcDeps,
  messages: readonly TaskReport[],
  options: { readonly brief?: boolean } = {},
): Promise<ItemResult[]> {
  const decoded = messages.map((message, n) => decode(deps, message, `reports[${n}]`));
  const readable = decoded.flatMap((report) => (report instanceof MillpondError ? [] : [report]));
  const results = readable.length === 0 ? [] : await reportTasks(deps.engine, readable, options);
  let next = 0;
  return decoded.map((report, n) => {
    if (report instanceof MillpondError) return { state: undefined, error: report };
    const result = results[next++] as ItemResult;
    return { ...result, error: naming(result.error, messages[n]?.taskId ?? "") };
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
