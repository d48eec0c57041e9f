import { BatchStatus, TaskStatus } from "@millpond/sdk";
import { criticalPath } from "./critical-path.ts";
import type { Execution } from "./execute-workflow.ts";
import type { RunRecord, TaskRecord } from "./run-record.ts";
import type { Workflow } from "./workflow-file.ts";

/** RunSummary is what there is to say about a run; `--json` prints it as it stands. */
export interface RunSummary {
  readonly workflow: string;
  readonly source: string;
  readonly batch_id: string;
  readonly status: string;
  readonly tasks: number;
  readonly tasks_by_status: Readonly<Record<string, number>>;
  readonly speedup: number;
  /** From the batch's creation to its end. */
  readonly wall_seconds: number;
  /** The sum of all run times, as they were recorded. */
  readonly recorded_seconds: number;
  readonly critical_path: {
    readonly tasks: number;
    readonly seconds: number;
    readonly first: string;
    readonly last: string;
  };
  /** From the last parent's SUCCESS event to the RUNNING event, over all tasks that have parents. */
  readonly overhead_ms: { readonly tasks: number; readonly p50: number; readonly p99: number; readonly max: number };
  readonly dependencies: { readonly checked: number; readonly violations: readonly string[] };
  readonly failures: readonly { readonly task: string; readonly status: string; readonly reason: string }[];
}

const listedMax = 10;

/** summarize works out a run's summary from the workflow's recorded times and the times of the run's events. */
export function summarize(workflow: Workflow, speedup: number, execution: Execution): RunSummary {
  const { batch, batchId, record, wallMs } = execution;
  const path = criticalPath(workflow);
  return {
    workflow: workflow.name,
    source: workflow.source,
    batch_id: batchId,
    status: BatchStatus[batch.status] ?? String(batch.status),
    tasks: workflow.tasks.length,
    tasks_by_status: Object.fromEntries(
      Object.entries(batch.stats?.byStatus ?? {}).map(([status, count]) => [status, Number(count)]),
    ),
    speedup,
    wall_seconds: wallMs / 1000,
    recorded_seconds: rounded(workflow.tasks.reduce((sum, { runtimeSeconds }) => sum + runtimeSeconds, 0)),
    critical_path: {
      tasks: path.tasks.length,
      seconds: rounded(path.seconds),
      first: path.tasks.at(0)?.id ?? "",
      last: path.tasks.at(-1)?.id ?? "",
    },
    overhead_ms: overhead(record),
    dependencies: checkDependencies(record),
    failures: [...record.tasks.values()]
      .filter(({ status, reason }) => status !== TaskStatus.SUCCESS && reason !== undefined)
      .slice(0, listedMax)
      .map(({ id, status, reason = "" }) => ({ task: id, status: TaskStatus[status] ?? "", reason })),
  };
}

function overhead({ tasks }: RunRecord): RunSummary["overhead_ms"] {
  const delaysMs: number[] = [];
  for (const { started, parents } of tasks.values()) {
    const ends = parents.map((id) => tasks.get(id)?.ended?.timeMs);
    if (!started || ends.length === 0 || ends.includes(undefined)) continue;
    delaysMs.push(started.timeMs - Math.max(...(ends as number[])));
  }
  delaysMs.sort((a, b) => a - b);
  const quantile = (share: number) => rounded(delaysMs[Math.ceil(share * delaysMs.length) - 1] ?? 0);
  return { tasks: delaysMs.length, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
}

/** To three decimals: what sums of fractions add beyond is noise. */
function rounded(value: number): number {
  return Number(value.toFixed(3));
}

/**
 * Every task that started did so after each of its parents had succeeded: by the events' times, and by their places in
 * the feed, which tell even when the clock does not.
 */
function checkDependencies({ tasks }: RunRecord): RunSummary["dependencies"] {
  const violations: string[] = [];
  let checked = 0;
  for (const child of tasks.values()) {
    for (const id of child.started ? child.parents : []) {
      const parent = tasks.get(id);
      const violation = parent ? violationOf(child, parent) : `${child.id} started and its parent ${id} is unknown`;
      if (violation) violations.push(violation);
      checked++;
    }
  }
  return { checked, violations };
}

function violationOf(child: TaskRecord, parent: TaskRecord): string | undefined {
  const { started } = child;
  if (!started) return undefined;
  if (!parent.ended || parent.status !== TaskStatus.SUCCESS) {
    return `${child.id} started though ${parent.id} is ${TaskStatus[parent.status]}`;
  }
  if (started.timeMs < parent.ended.timeMs) {
    const aheadMs = (parent.ended.timeMs - started.timeMs).toFixed(3);
    return `${child.id} started ${aheadMs} ms before ${parent.id} succeeded`;
  }
  if (started.place < parent.ended.place) return `${child.id} started, in the feed, before ${parent.id} succeeded`;
  return undefined;
}
