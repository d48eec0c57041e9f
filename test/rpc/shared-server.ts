import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, type ConnectError } from "@connectrpc/connect";
import {
  type Assignment,
  type BatchService,
  type ClaimTasksRequestSchema,
  type Event,
  type EventFilterSchema,
  type MillpondClient,
  type NewBatchSchema,
  type NewTaskSchema,
  type Task,
  type TaskReportSchema,
  TaskStatus,
} from "@millpond/sdk";
import pg from "pg";
import { afterAll, beforeAll, expect } from "vitest";
import { type Setup, setup } from "../support/setup.ts";
import { detailsOf, errorOf } from "./server-harness.ts";

/** A task of {@link SharedServer.graph}: parents by key, everything else as the contract has it. */
export type TaskInit = MessageInitShape<typeof NewTaskSchema>;

/** A graph that was created: its batch, and its tasks' ids by key. */
export interface CreatedGraph {
  readonly batchId: string;
  readonly ids: Record<string, string>;
}

/** One whole server for the tests of a file, on a database of its own, and what most of them do with it. */
export interface SharedServer {
  readonly url: string;
  readonly client: MillpondClient;
  readonly setup: Setup;
  /** Creates a graph from tasks that have keys. */
  graph(tasks: readonly TaskInit[], batch?: MessageInitShape<typeof NewBatchSchema>): Promise<CreatedGraph>;
  /** Claims up to `max` tasks of a kind, without waiting unless `wait` says so. */
  claim(kind: string, options?: { max?: number; waitMs?: number } & ClaimInit): Promise<Assignment[]>;
  /** Claims one task of a kind, which must be there. */
  claimOne(kind: string, options?: ClaimInit): Promise<Assignment>;
  /** Ends attempts as SUCCESS. */
  succeed(...attempts: readonly Assignment[]): Promise<void>;
  /** Ends attempts as FAILURE. */
  fail(...attempts: readonly Assignment[]): Promise<void>;
  task(taskId: string): Promise<Task>;
  status(taskId: string): Promise<keyof typeof TaskStatus>;
  stats(batchId: string): Promise<Record<string, number>>;
  /** The first `count` events that a filter selects: the feed may be a moment behind what has been acknowledged. */
  events(count: number, filter: MessageInitShape<typeof EventFilterSchema>): Promise<Event[]>;
  /** How many rows each table has that a refused call could have written to. */
  rows(): Promise<Record<string, number>>;
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

type ClaimInit = Pick<MessageInitShape<typeof ClaimTasksRequestSchema>, "workerId" | "labels" | "lease">;

let kinds = 0;

/** A kind that no other test of the file uses. */
export function newKind(): string {
  kinds += 1;
  return `kind-${kinds}`;
}

/** Makes a server for all tests of a file. */
export function sharedServer(env: Readonly<Record<string, string>> = {}): SharedServer {
  let current: Setup | undefined;
  const server = (): Setup => {
    if (current === undefined) throw new Error("the server is not running");
    return current;
  };
  beforeAll(async () => {
    current = await setup(env);
  });
  afterAll(() => current?.[Symbol.asyncDispose]());
  return sharedServerOf(server);
}

function sharedServerOf(server: () => Setup): SharedServer {
  const report = async (attempts: readonly Assignment[], how: "success" | "failure"): Promise<void> => {
    const said: MessageInitShape<typeof TaskReportSchema>["report"] =
      how === "success" ? { case: "success", value: {} } : { case: "failure", value: { message: "broken" } };
    const { results } = await server().client.tasks.reportTasks({
      reports: attempts.map(({ task, attempt }) => ({ taskId: task?.taskId ?? "", attempt, report: said })),
    });
    for (const { result } of results) expect(result.case).toBe("task");
  };
  const claim: SharedServer["claim"] = async (kind, { max = 1, waitMs = 0, ...rest } = {}) => {
    const waitTimeout = durationFromMs(waitMs);
    const request = { workerId: "w", kinds: [kind], maxTasks: max, waitTimeout, ...rest };
    const { assignments } = await server().client.workers.claimTasks(request);
    return assignments;
  };
  const query: SharedServer["query"] = async (text, values = []) => {
    const connection = new pg.Client({ connectionString: server().database.url });
    await connection.connect();
    try {
      return (await connection.query(text, values)).rows;
    } finally {
      await connection.end();
    }
  };
  const task = async (taskId: string): Promise<Task> => {
    const answer = await server().client.tasks.getTask({ taskId });
    if (answer.task === undefined) throw new Error("GetTask answered no task");
    return answer.task;
  };
  return {
    get url() {
      return server().url;
    },
    get client() {
      return server().client;
    },
    get setup() {
      return server();
    },
    ...{ claim, task, query },
    graph: async (tasks, batch = {}) => {
      const answer = await server().client.tasks.createTasks({
        target: { case: "newBatch", value: batch },
        tasks: [...tasks],
      });
      return {
        batchId: answer.batch?.batchId ?? "",
        ids: Object.fromEntries(answer.tasks.map(({ key, taskId }) => [key, taskId])),
      };
    },
    claimOne: async (kind, options = {}) => {
      const [assignment] = await claim(kind, options);
      if (assignment === undefined) throw new Error(`there was no task of kind ${kind} to claim`);
      return assignment;
    },
    succeed: (...attempts) => report(attempts, "success"),
    fail: (...attempts) => report(attempts, "failure"),
    status: async (taskId) => TaskStatus[(await task(taskId)).status] as keyof typeof TaskStatus,
    events: async (count, filter) => {
      const found: Event[] = [];
      for (let cursor = ""; found.length < count; ) {
        const page = await server().client.events.listEvents({ filter, cursor, waitTimeout: durationFromMs(10_000) });
        if (page.events.length === 0) throw new Error(`there were only ${found.length} of ${count} events`);
        found.push(...page.events);
        cursor = page.nextCursor;
      }
      return found;
    },
    stats: (batchId) => statsOf(server().client.batches, batchId),
    rows: async () => {
      const tables = [
        "task",
        "task_state",
        "batch",
        "batch_state",
        "event_tx",
        "request",
        "edge_late",
        "ready",
        "ready_run",
        "timer",
      ];
      const [row] = await query<Record<string, number>>(
        `select ${tables.map((table) => `(select count(*)::integer from ${table}) ${table}`).join(", ")}`,
      );
      return row ?? {};
    },
  };
}

/** The statistics of a batch by status, as plain numbers. */
async function statsOf(batches: Client<typeof BatchService>, batchId: string): Promise<Record<string, number>> {
  const { batch } = await batches.getBatch({ batchId });
  const byStatus = Object.entries(batch?.stats?.byStatus ?? {}).map(([name, count]) => [name, Number(count)]);
  return Object.fromEntries(byStatus);
}

/** Dependencies on tasks of the same request or batch, by their keys. */
export function dependsOn(...keys: readonly string[]): NonNullable<TaskInit["dependencies"]> {
  return keys.map((key) => ({ parent: { case: "key", value: key } }));
}

/** Waits until a condition holds; fails the test after ten seconds. */
export async function eventually<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ten seconds for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Expects a call to be refused with a code and a reason, answers what else the error says. */
export async function expectRefusal(
  call: Promise<unknown>,
  expected: { code: keyof typeof Code; reason: string; fields?: string[] },
): Promise<{ error: ConnectError; metadata: Record<string, string>; fields: string[] }> {
  const error = await errorOf(call);
  const { reason, metadata, fields } = detailsOf(error);
  expect({ code: Code[error.code], reason, fields: expected.fields === undefined ? undefined : fields }).toEqual({
    ...{ code: expected.code, reason: expected.reason, fields: expected.fields },
  });
  expect(error.message).not.toMatch(/node_modules|\.ts:|select |insert |update |\bpg\b/i);
  return { error, metadata, fields };
}
