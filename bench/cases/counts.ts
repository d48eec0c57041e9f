import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { AddCountsRequestSchema, createClient } from "@millpond/sdk";
import type { CountLoadJob } from "../programs/count-load.ts";
import { type BenchCase, type Measured, NotRun, type Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { plainGraph } from "../support/bench-graphs.ts";
import { freezePostgres } from "../support/freeze-postgres.ts";
import { encodeRequest, loadGrpc, loadTimes } from "../support/grpc-load.ts";
import { withClient } from "../support/table-sizes.ts";

const kind = "bench.counts";
const taskCount = 1_000;
const producers = 20;
const frozenMs = 5_000;
const itemsPerCall = 100;

/** How counts are cut into messages. */
const shapes = [
  { id: "large", itemsPerMessage: 1_000, unacknowledgedMax: 8 },
  { id: "small", itemsPerMessage: 10, unacknowledgedMax: 100 },
] as const;

/** Counters that many producers add to. */
export const counts: BenchCase = {
  name: "counts",
  title: "Counts",
  about:
    `${producers} producers, each with a stream of StreamCounts on one connection, count over ${taskCount} tasks that run: each item is one count of one task, in messages of 1,000 (8 without an acknowledgement per producer) ` +
    "or 10 (100 of them). A count counts when it is acknowledged, which is when it is durable; in the end the sums in the database are compared with what was acknowledged. Row versions: updates of `task_state` by tasks and by transactions that added counts. " +
    `Frozen: all processes of PostgreSQL are stopped for ${frozenMs / 1000} s in the middle of the load of 1,000; the rate is over the whole time. AddCounts: ${itemsPerCall} items of as many tasks per call, 64 calls in flight.`,
  figures: [
    {
      ...{ id: "large", title: "streams, 1,000 counts per message", unit: "counts/s", better: "more" },
      bar: { kind: "value", value: 200_000 },
    },
    {
      ...{ id: "large-versions", title: "row versions per task and transaction", unit: "", better: "less" },
      bar: { kind: "value", value: 1 },
    },
    { id: "large-flushes", title: "transactions", unit: "per second", better: "neither" },
    { id: "small", title: "streams, 10 counts per message", unit: "counts/s", better: "more" },
    { id: "frozen", title: `PostgreSQL frozen for ${frozenMs / 1000} s`, unit: "counts/s", better: "more" },
    { id: "frozen-wrong", title: "the same: lost, or counted twice", unit: "counts", better: "less" },
    { id: "calls", title: `AddCounts, ${itemsPerCall} counts per call`, unit: "counts/s", better: "more" },
  ],
  open,
};

async function open(context: BenchContext): Promise<Part[]> {
  return [
    ...shapes.map(
      (shape): Part => ({
        name: `streams, ${shape.itemsPerMessage} per message`,
        measure: () => streams(context, shape),
      }),
    ),
    { name: "streams, PostgreSQL frozen", measure: () => frozen(context) },
    { name: "AddCounts", measure: () => calls(context) },
  ];
}

interface CountLoadResult {
  readonly rate: number;
  readonly total: number;
  readonly [name: string]: unknown;
}

async function streams(context: BenchContext, { id, ...shape }: (typeof shapes)[number]): Promise<Measured> {
  const times = loadTimes(context);
  const { result, found } = await load(context, { ...shape, ...times });
  if (found.sum !== result.total) throw new Error(`${result.total} counts were acknowledged, ${found.sum} are there`);
  const seconds = (times.warmUpMs + times.measureMs) / 1000;
  return {
    [id]: result.rate,
    ...(id === "large" && { "large-versions": found.versions, "large-flushes": found.flushes / seconds }),
  };
}

async function frozen(context: BenchContext): Promise<Measured> {
  const { id: _, ...shape } = shapes[0];
  const times = { warmUpMs: 0, measureMs: context.size(10_000, 2_000) + frozenMs };
  let isFrozen = false;
  const { result, found } = await load(context, { ...shape, ...times }, async () => {
    await sleep((times.measureMs - frozenMs) / 2);
    const thaw = freezePostgres(context.postgres);
    isFrozen = thaw !== undefined;
    await sleep(frozenMs);
    thaw?.();
  });
  if (!isFrozen) {
    const why = new NotRun("PostgreSQL is not this run's own");
    return { frozen: why, "frozen-wrong": why };
  }
  return { frozen: result.rate, "frozen-wrong": Math.abs(found.sum - result.total) };
}

async function load(
  context: BenchContext,
  shape: Pick<CountLoadJob, "itemsPerMessage" | "unacknowledgedMax" | "warmUpMs" | "measureMs">,
  meanwhile: () => Promise<void> = async () => {},
): Promise<{ result: CountLoadResult; found: Counted }> {
  return await context.withDatabase("server", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl);
    const taskIds = await startTasks(server.url);
    const job: CountLoadJob = { url: server.url, taskIds, producers, ...shape };
    const [result] = await Promise.all([context.run<CountLoadResult>("count-load", job), meanwhile()]);
    await server.stop();
    return { result, found: await readCounted(databaseUrl) };
  });
}

async function calls(context: BenchContext): Promise<Measured> {
  return await context.withDatabase("server", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl);
    const taskIds = await startTasks(server.url);
    const counts = taskIds.slice(0, itemsPerCall).map((taskId) => ({ taskId, success: 1n }));
    const request = encodeRequest(AddCountsRequestSchema, create(AddCountsRequestSchema, { counts }));
    const path = "/millpond.v1.TaskService/AddCounts";
    const result = await loadGrpc(context, { url: server.url, path, request, inFlight: 64 });
    await server.stop();
    return { calls: (result.calls * itemsPerCall) / result.seconds };
  });
}

/** Creates the tasks and takes them, so that they run. */
async function startTasks(url: string): Promise<string[]> {
  const client = createClient({ address: url });
  try {
    const graph = plainGraph({ tasks: taskCount, kind, payload: "small" });
    const { tasks } = await client.tasks.createTasks(graph.toRequest());
    await client.workers.claimTasks({
      workerId: "bench",
      kinds: [kind],
      maxTasks: taskCount,
      lease: { seconds: 3_600n },
    });
    return tasks.map(({ taskId }) => taskId);
  } finally {
    client.close();
  }
}

interface Counted {
  readonly sum: number;
  readonly flushes: number;
  readonly versions: number;
}

/** What is there once the server has ended: only then PostgreSQL has counted all that it did. */
async function readCounted(databaseUrl: string): Promise<Counted> {
  return await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ sum: string; flushes: string; updates: string }>(
      `select (select coalesce(sum(success_count), 0) from task_state)::text sum,
        (select count(*) from event_tx where types[1] = 4)::text flushes,
        (select n_tup_upd from pg_stat_user_tables where relname = 'task_state')::text updates`,
    );
    const [sum, flushes, updates] = [rows[0]?.sum, rows[0]?.flushes, rows[0]?.updates].map(Number) as [
      number,
      number,
      number,
    ];
    // The claim has updated each task once.
    return { sum, flushes, versions: (updates - taskCount) / taskCount / flushes };
  });
}
