import { pino } from "pino";
import { createTasks } from "../../src/commands/create-tasks.ts";
import { reportTasks } from "../../src/commands/report-tasks.ts";
import { loadSettings } from "../../src/config/settings.ts";
import type { ClaimedTask } from "../../src/dispatch/waiting-workers.ts";
import type { NewTask } from "../../src/domain/new-task.ts";
import { plainReport, ReportAction } from "../../src/domain/report.ts";
import { DependencyCondition, Execution } from "../../src/domain/task-status.ts";
import { createEngineParts } from "../../src/server/engine-parts.ts";
import { layeredParents } from "./bench-graphs.ts";

/** EngineDriver calls the engine in this process, as the services of a server do. */
export interface EngineDriver {
  /** Creates a batch of independent tasks, or a graph in ten layers whose tasks have two parents each. */
  create(shape: "independent" | "layered", tasks: number): Promise<void>;
  /** Waits a moment for up to so many tasks as a worker. */
  claim(max: number): Promise<readonly ClaimedTask[]>;
  /** Reports the success of tasks. */
  report(tasks: readonly ClaimedTask[]): Promise<void>;
  close(): Promise<void>;
}

const kind = "bench.engine";
const leaseMs = 30_000;
const waitMs = 100;
const layers = 10;
const inputOfTask = JSON.stringify({ file: "y".repeat(110), n: 7 });
const metadataOfTask = JSON.stringify({ project: "genomes", sample: "s-123456", step: "align", owner: "x".repeat(90) });

/** openEngine opens the engine of a migrated database, with the feed that reads its commits. */
export async function openEngine(databaseUrl: string): Promise<EngineDriver> {
  const { settings } = loadSettings({});
  const logger = pino({ level: "error" }, pino.destination(2));
  const onError = (loop: string) => (error: unknown) => logger.error({ err: error, loop }, "a loop failed");
  const { engine, feed, signal, db, workers, claimLine } = createEngineParts({
    settings,
    databaseUrl,
    logger,
    onError,
  });
  await engine.dictionaries.refreshQueues();
  await feed.start();
  signal.onCommit((queues) => {
    feed.wake();
    workers.mark(queues);
  });
  await signal.start();
  const worker = await engine.dictionaries.internWorker(engine.namespaceId, "bench");
  claimLine.start();
  return {
    async create(shape, tasks) {
      await createTasks(engine, {
        ...{ requestId: undefined, bodyHash: Buffer.alloc(32), validateOnly: false, answers: "tasks" },
        target: {
          ...{ case: "newBatch", open: false, name: "bench", metadata: "{}", paused: false },
          ...{ onComplete: null, onCompleteCount: 0 },
        },
        tasks: Array.from({ length: tasks }, (_, place) =>
          newTask(place, shape === "layered" ? layeredParents(place, Math.ceil(tasks / layers)) : []),
        ),
      });
    },
    claim(max) {
      const { signal: never } = new AbortController();
      return workers.claim({ ...{ worker, kinds: [kind], labels: {}, max, leaseMs, waitMs }, signal: never });
    },
    async report(tasks) {
      const reports = tasks.map(({ id, attempt }) => ({ ...plainReport, id, attempt, action: ReportAction.SUCCESS }));
      const results = await reportTasks(engine, reports, { brief: true });
      const refused = results.find(({ error }) => error !== undefined)?.error;
      if (refused !== undefined) throw new Error("a report was refused", { cause: refused });
    },
    async close() {
      await claimLine.stop();
      await feed.stop();
      await signal.stop();
      await db.close();
    },
  };
}

function newTask(place: number, parents: readonly number[]): NewTask {
  return {
    ...{ key: `t${place}`, name: `task ${place}`, kind, execution: Execution.WORKER, labels: {}, host: "" },
    dependencies: parents.map((parent) => ({ place: parent, condition: DependencyCondition.SUCCESS })),
    ...{ unmetPolicy: 0, priority: 0, metadata: metadataOfTask, input: inputOfTask, spec: null, expectedCount: null },
    ...{ startTime: null, startTimeoutMs: 30_000, inactivityTimeoutMs: 60_000, executionTimeoutMs: null },
    ...{ totalTimeoutMs: null, retry: null, dedupe: [], rules: [], onSuccess: 0, onFailure: 0, onCancel: 0 },
    ...{ critical: false, onlyForDependents: false, fairnessKey: "", fairnessWeight: 1 },
  };
}
