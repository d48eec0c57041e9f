import { setTimeout as delay } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { BatchStatus, DependencyCondition, isTransient, type MillpondClient, type ReportResult } from "@millpond/sdk";
import type { Random } from "../engine/random.ts";
import { range, type TaskInit } from "../engine/two-servers.ts";
import { until } from "../support/until.ts";
import { insist } from "./insist.ts";

const leaseMs = 5_000;
const startTimeoutMs = 3_000;

/** What servers have acknowledged, and what workers were given. */
export interface Ledger {
  /** The ids of all tasks whose creation was acknowledged. */
  readonly created: Set<string>;
  /** The attempt and the outcome of each report that was acknowledged, by task. */
  readonly reported: Map<string, { readonly attempt: number; readonly outcome: "success" | "failure" }>;
  /** Every task and attempt that workers were given, in order. */
  readonly given: string[];
}

/** What {@link createAndWork} does it with. */
export interface LoadOptions {
  readonly clients: readonly MillpondClient[];
  readonly random: Random;
  readonly creators: number;
  readonly workers: number;
  /** Where start webhooks go. */
  readonly receiverUrl: string;
  /** When no more graphs are created: what was created is executed to its end. */
  readonly enough: AbortSignal;
}

/** Lets clients create graphs, one after the other, and workers execute them, each speaking to any server; everybody repeats what was not answered. */
export async function createAndWork(options: LoadOptions): Promise<Ledger> {
  const ledger: Ledger = { created: new Set(), reported: new Map(), given: [] };
  const over = new AbortController();
  const workers = range(options.workers).map((n) =>
    work(options, ledger, { worker: `worker ${n}`, over: over.signal }),
  );
  try {
    // A worker that fails ends the load at once.
    await Promise.race([
      Promise.all(range(options.creators).map((n) => createGraphs(options, ledger, `creator ${n}`))),
      Promise.all(workers),
    ]);
  } finally {
    over.abort();
    await Promise.all(workers);
  }
  return ledger;
}

function anyClient({ clients, random }: LoadOptions): MillpondClient {
  return clients[random.below(clients.length)] as MillpondClient;
}

async function createGraphs(options: LoadOptions, ledger: Ledger, creator: string): Promise<void> {
  for (let n = 1; !options.enough.aborted; n += 1) {
    const tasks = randomGraph(options);
    const requestId = `${creator} graph ${n}`;
    const { batch, tasks: created } = await insist(() => anyClient(options).tasks.createTasks({ requestId, tasks }));
    for (const { taskId } of created) ledger.created.add(taskId);
    const batchId = batch?.batchId as string;
    const ended = async (): Promise<boolean> =>
      (await anyClient(options).batches.getBatch({ batchId })).batch?.status !== BatchStatus.ACTIVE;
    await until(`${requestId} has ended`, ended, 120_000);
  }
}

/** A graph with workers' tasks, start webhooks and joins. */
function randomGraph({ random, receiverUrl }: LoadOptions): TaskInit[] {
  return range(10 + random.below(40)).map((n) => {
    const parents = random.shuffle(range(n)).slice(0, Math.min(n, random.below(4)));
    const task: TaskInit = {
      ...{ key: `task ${n}`, name: `task ${n}`, kind: "work" },
      startTimeout: durationFromMs(startTimeoutMs),
      dependencies: parents.map((parent) => ({
        condition: random.chance(0.5) ? DependencyCondition.COMPLETED : DependencyCondition.SUCCESS,
        parent: { case: "key", value: `task ${parent}` },
      })),
    };
    if (random.chance(0.2)) task.execution = { case: "onStart", value: { url: receiverUrl } };
    else if (random.chance(0.1)) task.execution = { case: "join", value: {} };
    return task;
  });
}

async function work(
  options: LoadOptions,
  ledger: Ledger,
  { worker, over }: { worker: string; over: AbortSignal },
): Promise<void> {
  const { random } = options;
  while (!over.aborted) {
    const claim = { workerId: worker, kinds: ["work"], maxTasks: 1 + random.below(8), lease: durationFromMs(leaseMs) };
    const claimed = await anyClient(options)
      .workers.claimTasks({ ...claim, waitTimeout: durationFromMs(1_000) }, { signal: over })
      .catch(async (error: unknown) => {
        if (over.aborted) return { assignments: [] };
        if (!isTransient(error)) throw error;
        await delay(20);
        return { assignments: [] };
      });
    const reports = claimed.assignments.map(({ task, attempt }) => ({
      ...{ taskId: task?.taskId as string, attempt },
      report: { case: random.chance(0.1) ? ("failure" as const) : ("success" as const), value: {} },
    }));
    ledger.given.push(...reports.map(({ taskId, attempt }) => `${taskId} ${attempt}`));
    if (reports.length === 0) continue;
    const { results } = await insist(() => anyClient(options).tasks.reportTasks({ reports }));
    for (const [n, { taskId, attempt, report }] of reports.entries())
      if (isTaken(results[n])) ledger.reported.set(taskId, { attempt, outcome: report.case });
  }
}

function isTaken(result: ReportResult | undefined): boolean {
  return result?.result.case === "task";
}
