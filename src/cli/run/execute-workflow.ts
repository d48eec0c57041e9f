import { setTimeout as sleep } from "node:timers/promises";
import type { JsonValue } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Batch,
  BatchStatus,
  createGraph,
  createWorker,
  type MillpondClient,
  NonRetryable,
  type TaskHandler,
  type TaskWorker,
  watchEvents,
} from "@millpond/sdk";
import { RunRecord } from "./run-record.ts";
import { stopBatch } from "./stop-batch.ts";
import type { Workflow } from "./workflow-file.ts";

/** ExecutionOptions is what {@link executeWorkflow} works with. */
export interface ExecutionOptions {
  readonly client: MillpondClient;
  readonly workflow: Workflow;
  /** By how much the recorded run times are shortened. */
  readonly speedup: number;
  /** How many programs run at the same time. */
  readonly slots: number;
  /** Put into the batch's metadata, beside the workflow's name and source. */
  readonly submittedBy: string;
  /** Stops the batch and the worker. */
  readonly signal: AbortSignal;
  readonly onStart: (batchId: string, record: RunRecord) => void;
  readonly onChange: () => void;
  /** What went wrong and is being dealt with. */
  readonly onTrouble: (error: unknown) => void;
}

/** Execution is how a workflow ended. */
export interface Execution {
  readonly batchId: string;
  readonly batch: Batch;
  readonly record: RunRecord;
  /** From the batch's creation to its end, by the server's clock. */
  readonly wallMs: number;
}

/**
 * executeWorkflow submits a workflow as one batch, executes it with a worker that stands in for each program by waiting
 * its run time, and follows the batch to its end. The watch begins with a snapshot and the worker after it, so nothing
 * is missed. When the signal is aborted it stops the batch and throws the signal's reason.
 */
export async function executeWorkflow(options: ExecutionOptions): Promise<Execution> {
  const { client, workflow, signal } = options;
  const created = await client.tasks.createTasks(toRequest(options), { signal });
  const batchId = created.batch?.batchId ?? "";
  const record = new RunRecord(
    workflow,
    created.tasks.map(({ taskId }) => taskId),
  );
  options.onStart(batchId, record);

  const worker = standInWorker(options);
  const ending = AbortSignal.any([signal, rejection(worker)]);
  try {
    const watch = watchEvents(
      client,
      { filter: { batchIds: [batchId] }, snapshot: true },
      { signal: ending, onInterrupted: options.onTrouble },
    );
    for await (const message of watch) {
      record.take(message);
      if (message.message.case === "snapshotDone") worker.start();
      options.onChange();
      if (record.ended) break;
    }
    ending.throwIfAborted();
  } catch (error) {
    await stopBatch(client, batchId);
    throw error;
  } finally {
    await worker.stop();
  }
  return finish(client, batchId, record);
}

async function finish(client: MillpondClient, batchId: string, record: RunRecord): Promise<Execution> {
  const { batch } = await client.batches.getBatch({ batchId });
  if (!batch) throw new Error(`the server answered no batch ${batchId}`);
  const { createTime, endTime } = batch;
  const wallMs = createTime && endTime ? timestampMs(endTime) - timestampMs(createTime) : 0;
  return { batchId, batch, record, wallMs };
}

function toRequest({ workflow, speedup, submittedBy }: ExecutionOptions) {
  const graph = createGraph({
    name: workflow.name,
    metadata: { workflow: workflow.name, source: workflow.source, submitted_by: submittedBy },
  });
  for (const { id, name, kind, parents, runtimeSeconds } of workflow.tasks) {
    graph.task(id, { name, kind, after: parents, input: { runtime_seconds: runtimeSeconds, speedup } });
  }
  return graph.toRequest();
}

function standInWorker({ client, workflow, slots, onTrouble }: ExecutionOptions): TaskWorker {
  const worker = createWorker({ client, slots, stopGraceMs: 0, onError: onTrouble });
  for (const kind of new Set(workflow.tasks.map((task) => task.kind))) worker.handle(kind, standIn);
  return worker;
}

/** Stands in for a program: waits its recorded run time, shortened. All it needs is in the task's input. */
const standIn: TaskHandler = async (_, { input, signal }) => {
  const { runtime_seconds: seconds, speedup } = (input ?? {}) as Record<string, JsonValue>;
  if (typeof seconds !== "number" || typeof speedup !== "number") {
    throw new NonRetryable("the task was not made by `millpond run` or `millpond demo`: its input has no run time");
  }
  await sleep((seconds * 1000) / speedup, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
  return { runtime_seconds: seconds };
};

/** Aborted when the server refuses the worker for good. */
function rejection(worker: TaskWorker): AbortSignal {
  const controller = new AbortController();
  worker.done.catch((error: unknown) => controller.abort(error));
  return controller.signal;
}

/** succeeded tells whether every task of an execution succeeded. */
export function succeeded({ batch }: Execution): boolean {
  return batch.status === BatchStatus.SUCCESS;
}
