import {
  BatchStatus,
  ErrorReason,
  errorReason,
  type MillpondClient,
  type ReportResult,
  type Task,
  TaskStatus,
} from "@millpond/sdk";
import pg from "pg";
import { expect } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { countDeadlocks, expectNoDeadlocks } from "../support/deadlocks.ts";
import { setup } from "../support/setup.ts";
import { createRandom } from "./random.ts";
import { countTaken, range, report } from "./two-servers.ts";

/** Two servers on one database, whatever they are asked at the same moment. */
export interface Race extends AsyncDisposable {
  readonly databaseUrl: string;
  readonly a: MillpondClient;
  readonly b: MillpondClient;
  /** Both, in turn. */
  client(n: number): MillpondClient;
  /** Reads or writes the tables directly. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /**
   * Proves the laws of the tables; lets everything go on until every task has ended, by workers of both servers; proves the laws again. Tells of
   * deadlocks, which PostgreSQL ends and the servers try again; `noDeadlocks` forbids them.
   */
  finish(options?: { readonly noDeadlocks?: boolean }): Promise<void>;
}

/** Starts two servers on a database of their own. */
export async function startRace(env: Readonly<Record<string, string>> = {}): Promise<Race> {
  const first = await setup({ MILLPOND_LOG_LEVEL: "error", ...env });
  const second = await first.another();
  const databaseUrl = first.database.url;
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  const clients = [first.client, second.client];
  const query = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await pool.query<Row>(text, values)).rows;
  const race: Race = {
    ...{ databaseUrl, query, a: first.client, b: second.client },
    client: (n) => clients[n % 2] as MillpondClient,
    finish: async ({ noDeadlocks = false } = {}) => {
      await checkInvariants(databaseUrl);
      await workToTheEnd(race);
      await Promise.all([first.server.stop(2_000), second.server.stop(2_000)]);
      await checkInvariants(databaseUrl);
      if (noDeadlocks) await expectNoDeadlocks(databaseUrl);
      const deadlocks = await countDeadlocks(databaseUrl);
      if (deadlocks > 0) console.log(`${expect.getState().currentTestName}: ${deadlocks} deadlocks`);
    },
    [Symbol.asyncDispose]: async () => {
      await pool.end();
      await first[Symbol.asyncDispose]();
    },
  };
  return race;
}

const living = [TaskStatus.WAITING, TaskStatus.PENDING, TaskStatus.CLAIMED, TaskStatus.RUNNING, TaskStatus.PAUSED];

/** Lets go what is held, and closes what is open: the first thousand batches and tasks. Answers whether there were any. */
async function letGo(race: Race): Promise<boolean> {
  const { batches } = await race.a.batches.listBatches({
    ...{ statuses: [BatchStatus.ACTIVE, BatchStatus.PAUSED], pageSize: 1000 },
  });
  const stopped = batches.filter(({ status, open }) => open || status === BatchStatus.PAUSED);
  await inParts(stopped, async ({ batchId, status, open }, n) => {
    if (status === BatchStatus.PAUSED) await race.client(n).batches.resumeBatch({ batchId });
    if (open) await race.client(n).batches.sealBatch({ batchId });
  });
  const held = await tasksIn(race, [TaskStatus.PAUSED]);
  if (held.length > 0) await race.a.tasks.resumeTasks({ taskIds: held.map((task) => task.taskId) });
  return stopped.length + held.length > 0;
}

/** Lets everything go on, and works on both servers until every task has ended. */
async function workToTheEnd(race: Race): Promise<void> {
  const kinds = (await race.query<{ kind: string }>("select distinct kind from queue")).map(({ kind }) => kind);
  await letGo(race);
  let progress = performance.now();
  for (let left = await tasksIn(race, living); left.length > 0; left = await tasksIn(race, living)) {
    for (const n of range(Math.ceil(kinds.length / 100)))
      await take(race.client(n), kinds.slice(n * 100, n * 100 + 100));
    const running = await tasksIn(race, [TaskStatus.CLAIMED, TaskStatus.RUNNING]);
    if (running.length > 0) {
      const taskIds = running.map((task) => task.taskId);
      expect(countTaken(await report(race.client(running.length), taskIds))).toBe(running.length);
      progress = performance.now();
    } else if (await letGo(race)) {
      progress = performance.now();
    } else if (performance.now() > progress + 60_000) {
      throw new Error(`these tasks wait for ever: ${left.slice(0, 5).map(describe).join(", ")}`);
    }
  }
}

function describe({ name, taskId, status }: Task): string {
  return `${name} ${taskId} ${TaskStatus[status]}`;
}

async function tasksIn({ a }: Race, statuses: TaskStatus[]): Promise<Task[]> {
  return (await a.tasks.listTasks({ statuses, pageSize: 1000 })).tasks;
}

/** Does something with each of many, a few dozen at a time. */
export async function inParts<T>(items: readonly T[], body: (item: T, n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < items.length; n += 24) {
    await Promise.all(items.slice(n, n + 24).map((item, k) => body(item, n + k)));
  }
}

const random = createRandom(4);

/** Makes calls at the same moment, in a random order; answers in the order of the list. */
export async function atOnce<T>(calls: readonly (() => Promise<T>)[]): Promise<T[]> {
  const answers: Promise<T>[] = [];
  for (const n of random.shuffle(range(calls.length))) answers[n] = (calls[n] as () => Promise<T>)();
  return Promise.all(answers);
}

/** The answer of a call, or undefined where it was refused for one of these reasons; fails with any other error. */
export async function unlessRefused<T>(answer: Promise<T>, ...reasons: readonly ErrorReason[]): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    const reason = errorReason(error);
    if (reason === undefined || !reasons.includes(reason)) throw error;
    return undefined;
  });
}

/** Takes tasks of some kinds for a worker, at once. */
export async function take(client: MillpondClient, kinds: readonly string[], maxTasks = 1000): Promise<string[]> {
  const { assignments } = await client.workers.claimTasks({ workerId: "worker", kinds: [...kinds], maxTasks });
  return assignments.map(({ task }) => task?.taskId as string);
}

/** The names of what became of each item of a call: its status, or why it was refused. */
export function namesOf(results: readonly ReportResult[]): string[] {
  return results.map(({ result }) =>
    result.case === "task"
      ? TaskStatus[result.value.status]
      : result.case === "error"
        ? ErrorReason[result.value.reason]
        : "nothing",
  );
}

/** The names of the statuses of some tasks as they stand. */
export async function statusesOf(client: MillpondClient, taskIds: readonly string[]): Promise<string[]> {
  const statuses: string[] = [];
  await inParts(taskIds, async (taskId, n) => {
    const { task } = await client.tasks.getTask({ taskId });
    statuses[n] = TaskStatus[task?.status ?? TaskStatus.UNSPECIFIED];
  });
  return statuses;
}

/** How long a race is played: RACE_SECONDS in the environment, for who wants to look longer. */
const playMs = 1000 * Number(process.env.RACE_SECONDS ?? 1);

/** With the twelve to twenty-four cells of a race: hundreds of times, also on a slow machine. */
const roundsMin = 10;

/** Plays a race again and again, one round after the other, for a short time; answers how many rounds it were. */
export async function playRounds(race: (n: number) => Promise<void>): Promise<number> {
  const end = performance.now() + playMs;
  let rounds = 0;
  for (; rounds < roundsMin || performance.now() < end; rounds += 1) await race(rounds);
  return rounds;
}
