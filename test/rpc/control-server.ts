import {
  type Batch,
  BatchStatus,
  DependencyCondition,
  ErrorReason,
  type Event,
  type ReportResult,
  TaskStatus,
} from "@millpond/sdk";
import { afterAll } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { type SharedServer, sharedServer, type TaskInit } from "./shared-server.ts";

/** What tests of pauses, retries and edits ask about batches and tasks. */
export interface ControlQueries {
  batch(batchId: string): Promise<Batch>;
  statusOfBatch(batchId: string): Promise<string>;
  /** The statuses of tasks, by the names that their ids have. */
  statuses(ids: Readonly<Record<string, string>>): Promise<Record<string, string>>;
  /** What happened to a task, in words; waits for so many events. */
  movesOfTask(taskId: string | undefined, count: number): Promise<string[]>;
}

/** Makes a server for all tests of a file; once they have run the laws of its tables are proved. */
export function controlServer(): { server: SharedServer; ask: ControlQueries } {
  const server = sharedServer();
  afterAll(() => checkInvariants(server.setup.database.url));
  const batch = async (batchId: string): Promise<Batch> => {
    const answer = await server.client.batches.getBatch({ batchId });
    if (answer.batch === undefined) throw new Error("GetBatch answered no batch");
    return answer.batch;
  };
  const ask: ControlQueries = {
    batch,
    statusOfBatch: async (batchId) => BatchStatus[(await batch(batchId)).status],
    statuses: async (ids) => {
      const named = Object.entries(ids).map(async ([name, id]) => [name, await server.status(id)]);
      return Object.fromEntries(await Promise.all(named));
    },
    movesOfTask: async (taskId, count) => movesOf(await server.events(count, { taskIds: [taskId ?? ""] })),
  };
  return { server, ask };
}

/** The id of no task and no batch. */
export const foreignId = "01900000-0000-7000-8000-000000000000";

/** What became of an item of a call: the status of its task, or why it was refused. */
export function outcome({ result }: ReportResult): string {
  if (result.case === "task") return TaskStatus[result.value.status];
  return result.case === "error" ? ErrorReason[result.value.reason] : "nothing";
}

/** What happened, in words: of tasks with the number of the attempt. */
export function movesOf(events: readonly Event[]): string[] {
  return events.map(({ payload }) => {
    if (payload.case === "taskCreated") return `created ${TaskStatus[payload.value.status]}`;
    if (payload.case === "taskStatusChanged")
      return `${TaskStatus[payload.value.from]} > ${TaskStatus[payload.value.to]} ${payload.value.attempt}`;
    if (payload.case === "batchStatusChanged")
      return `batch ${BatchStatus[payload.value.from]} > ${BatchStatus[payload.value.to]}`;
    return payload.case ?? "";
  });
}

/** A task to create that is named by its key. */
export const task = (key: string, kind: string, more: TaskInit = {}): TaskInit => ({ key, name: key, kind, ...more });

/** What makes a task a join. */
export const join = { execution: { case: "join" as const, value: {} } };

type Dependency = NonNullable<TaskInit["dependencies"]>[number];

/** A dependency on the failure of a task of the same request. */
export const onFailure = (key: string): Dependency => ({
  ...{ parent: { case: "key", value: key }, condition: DependencyCondition.FAILURE },
});

/** A dependency on the end of a task of the same request, whatever it is. */
export const onEnd = (key: string): Dependency => ({
  ...{ parent: { case: "key", value: key }, condition: DependencyCondition.COMPLETED },
});

/** A dependency on the success of an existing task. */
export const onTask = (taskId: string | undefined): Dependency => ({
  parent: { case: "taskId", value: taskId ?? "" },
});
