import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type CreateTasksResponse,
  type MillpondClient,
  type NewTaskSchema,
  type ReportResult,
  type Task,
  TaskStatus,
} from "@millpond/sdk";
import { checkInvariants } from "../support/check-invariants.ts";
import { expectNoDeadlocks } from "../support/deadlocks.ts";
import { feedsCaughtUp } from "../support/feeds-caught-up.ts";
import { setup } from "../support/setup.ts";

/** A task to create; its name is its key. */
export type TaskInit = MessageInitShape<typeof NewTaskSchema> & { readonly key: string };

/** Two servers on one database, and what tests of races do with them. */
export interface TwoServers extends AsyncDisposable {
  readonly databaseUrl: string;
  /** Of both servers. */
  readonly urls: readonly [string, string];
  readonly a: MillpondClient;
  readonly b: MillpondClient;
  /** Waits until the feeds of both have come to the newest commit. */
  caughtUp(): Promise<void>;
  /** Stops both and proves that every law of the tables holds and that nobody ever ran into a deadlock. */
  finish(): Promise<void>;
}

/** Starts two servers on a database of their own. */
export async function startTwoServers(env: Readonly<Record<string, string>> = {}): Promise<TwoServers> {
  const first = await setup(env);
  const second = await first.another();
  const databaseUrl = first.database.url;
  return {
    ...{ databaseUrl, urls: [first.url, second.url], a: first.client, b: second.client },
    caughtUp: () => feedsCaughtUp(databaseUrl, [first.url, second.url]),
    finish: async () => {
      await Promise.all([first.server.stop(2_000), second.server.stop(2_000)]);
      await checkInvariants(databaseUrl);
      await expectNoDeadlocks(databaseUrl);
    },
    [Symbol.asyncDispose]: () => first[Symbol.asyncDispose](),
  };
}

/** A graph that was created. */
export interface CreatedGraph {
  readonly batchId: string;
  readonly ids: Readonly<Record<string, string>>;
  /** The id of the task of a key. */
  id(key: string): string;
}

/** Creates tasks in a new batch. Those without a kind get `kind`. */
export async function createGraph(
  client: MillpondClient,
  tasks: readonly TaskInit[],
  options: { kind?: string; open?: boolean } = {},
): Promise<CreatedGraph> {
  const { kind = "work", open = false } = options;
  const response = await client.tasks.createTasks({
    target: { case: "newBatch", value: { open } },
    tasks: tasks.map((task) => ({ name: task.key, kind, ...task })),
  });
  return createdGraph(response);
}

/** Names what a call created. */
export function createdGraph(response: CreateTasksResponse): CreatedGraph {
  const ids = Object.fromEntries(response.tasks.map(({ key, taskId }) => [key, taskId]));
  return { batchId: response.batch?.batchId as string, ids, id: (key) => ids[key] as string };
}

/** Dependencies on tasks of the same request. */
export function after(...keys: readonly string[]): NonNullable<TaskInit["dependencies"]> {
  return keys.map((value) => ({ parent: { case: "key" as const, value } }));
}

/** Takes tasks for a worker, at once. */
export async function claim(client: MillpondClient, kind: string, maxTasks = 1000): Promise<string[]> {
  const { assignments } = await client.workers.claimTasks({ workerId: "worker", kinds: [kind], maxTasks });
  return assignments.map(({ task }) => task?.taskId as string);
}

/** Reports that tasks have ended, by one call. */
export async function report(
  client: MillpondClient,
  taskIds: readonly string[],
  outcome: "success" | "failure" = "success",
): Promise<ReportResult[]> {
  const reports = taskIds.map((taskId) => ({ taskId, report: { case: outcome, value: {} } }));
  return (await client.tasks.reportTasks({ reports })).results;
}

/** How many items of a call were taken. */
export function countTaken(results: readonly ReportResult[]): number {
  return results.filter(({ result }) => result.case === "task").length;
}

/** A task as it stands. */
export async function getTask(client: MillpondClient, taskId: string): Promise<Task> {
  return (await client.tasks.getTask({ taskId })).task as Task;
}

/** The name of a task's status as it stands. */
export async function statusOf(client: MillpondClient, taskId: string): Promise<string> {
  return TaskStatus[(await getTask(client, taskId)).status];
}

/** Numbers from 0. */
export function range(length: number): number[] {
  return Array.from({ length }, (_, n) => n);
}

/** Plays a race again and again, one after the other. */
export async function repeat(times: number, race: (n: number) => Promise<void>): Promise<void> {
  for (const n of range(times)) await race(n);
}
