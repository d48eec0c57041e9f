import { MillpondError } from "../domain/errors.ts";
import { type Report, ReportAction } from "../domain/report.ts";
import type { TaskState } from "../domain/task.ts";
import { hasEnded, TaskStatus, taskStatusName } from "../domain/task-status.ts";
import type { ReportedTask } from "../store/attempts.ts";
import { getTaskStates } from "../store/tasks.ts";
import type { Engine } from "./engine.ts";

/** What became of one item of a call: the task as it stands, and why it was refused, if it was. */
export interface ItemResult {
  readonly state: TaskState | undefined;
  /** Of a report that was taken, where states were not asked for. */
  readonly reported?: ReportedTask & { readonly id: bigint };
  readonly error: MillpondError | undefined;
}

/**
 * Takes reports of executors. Each is taken or refused on its own (TASK_NOT_FOUND, TASK_ENDED, STALE_ATTEMPT, ILLEGAL_TRANSITION), results in the
 * order of the reports; several of one task are taken in that order. What follows from a report is in its transaction, which reports of other calls may share.
 * `brief`: of tasks whose reports are taken, the status and the attempt are enough.
 */
export async function reportTasks(
  engine: Engine,
  reports: readonly Report[],
  { brief = false }: { readonly brief?: boolean } = {},
): Promise<ItemResult[]> {
  const results = new Array<ItemResult>(reports.length);
  for (const wave of waves(reports)) {
    const sorted = wave.sort((a, b) => (a.report.id < b.report.id ? -1 : 1));
    const { taken, finished } = await engine.reports.submit(sorted.map((item) => item.report));
    await finished;
    const shown = sorted.filter(({ report }) => !brief || !taken.has(report.id)).map(({ report }) => report.id);
    const rows = shown.length === 0 ? [] : await getTaskStates(engine.db, engine.namespaceId, shown);
    const states = new Map(rows.map((row) => [row.id, row]));
    for (const { report, place } of sorted) {
      const reported = taken.get(report.id);
      const state = states.get(report.id);
      if (reported === undefined) results[place] = { state, error: refusal(report, state) };
      else results[place] = { state, reported: { ...reported, id: report.id }, error: undefined };
    }
  }
  return results;
}

/** Splits reports so that no part has two of one task, keeping their order. */
function waves(reports: readonly Report[]): { report: Report; place: number }[][] {
  const parts: { report: Report; place: number }[][] = [];
  const nextPart = new Map<bigint, number>();
  for (const [place, report] of reports.entries()) {
    const n = nextPart.get(report.id) ?? 0;
    nextPart.set(report.id, n + 1);
    parts[n] ??= [];
    parts[n]?.push({ report, place });
  }
  return parts;
}

const targets: Record<number, number> = {
  [ReportAction.STARTED]: TaskStatus.RUNNING,
  [ReportAction.HEARTBEAT]: TaskStatus.RUNNING,
  [ReportAction.SUCCESS]: TaskStatus.SUCCESS,
  [ReportAction.FAILURE]: TaskStatus.FAILURE,
};

function refusal(report: Report, state: TaskState | undefined): MillpondError {
  if (state === undefined) return new MillpondError("TASK_NOT_FOUND", "there is no such task");
  const owned = state.status === TaskStatus.CLAIMED || state.status === TaskStatus.RUNNING;
  const lost = report.attempt !== 0 && (report.attempt !== state.attempt || (!owned && !hasEnded(state.status)));
  if (lost) {
    const status = taskStatusName(state.status);
    const why =
      report.attempt === state.attempt
        ? `is over (${state.message ?? "it was given back"}); the task is ${status}`
        : `is not the task's any more (it is ${status}, attempt ${state.attempt}): its lease was lost, or it was started again`;
    return new MillpondError("STALE_ATTEMPT", `attempt ${report.attempt} ${why}; stop working on it`, {
      metadata: { current_attempt: String(state.attempt), status },
    });
  }
  if (hasEnded(state.status)) return taskEnded(state.status);
  const to = taskStatusName(targets[report.action] ?? 0);
  return new MillpondError(
    "ILLEGAL_TRANSITION",
    `a task that is ${taskStatusName(state.status)} cannot become ${to}; claim it first`,
    {
      metadata: { from: taskStatusName(state.status), to },
    },
  );
}

/** The refusal of a change to a task that has ended. */
export function taskEnded(status: number): MillpondError {
  return new MillpondError("TASK_ENDED", `the task has ended as ${taskStatusName(status)}`, {
    metadata: { status: taskStatusName(status) },
  });
}
