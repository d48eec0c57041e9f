import { setTimeout as sleep } from "node:timers/promises";
import type { WorkerStreamsJob } from "../programs/worker-streams.ts";
import { type BenchCase, NotRun } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { cpuSeconds, residentBytes } from "../support/process-usage.ts";

const kibibyte = 1024;
const connections = 20;
/** What connecting took is behind: PostgreSQL's connections that have become idle count their transactions up to 10 s late. */
const settleMs = 12_000;

/** What a server pays for many workers that are connected. */
export const workers: BenchCase = {
  name: "workers",
  title: "A thousand workers on one server",
  about:
    "1,000 workers (100 in a quick run), each with a stream of its own, over 20 connections, from one process. Connect: from the first hello until the last welcome. Memory: what the server's process has grown by, " +
    "for each worker. Idle, over 20 s in which each sends a heartbeat every 10 s: the server's processor time, and transactions that PostgreSQL counts. Work: as many tasks, created by one call, each worker takes one and reports it: until the last result.",
  figures: [
    { id: "connect", title: "connect all", unit: "ms", better: "less" },
    { id: "memory", title: "memory for a worker", unit: "KiB", better: "less" },
    { id: "cpu", title: "processor, all idle", unit: "% of a core", better: "less" },
    {
      id: "queries",
      title: "transactions, all idle",
      unit: "per second",
      better: "less",
      bar: { kind: "value", value: 5 },
    },
    { id: "work", title: "a task for each", unit: "ms", better: "less" },
  ],
  open: async (context) => [{ name: "Millpond", measure: () => measure(context) }],
};

async function measure(context: BenchContext) {
  return await context.withDatabase("server", async (databaseUrl) => {
    const server = await context.startServer(databaseUrl);
    await sleep(2_000, undefined, { signal: context.options.signal });
    const before = residentBytes(server.pid, "now");
    const [workerCount, idleMs] = [context.size(1_000, 100), context.size(20_000, 3_000)];
    const job: WorkerStreamsJob = {
      url: server.url,
      workers: workerCount,
      connections,
      idleMs: idleMs + settleMs + 1_000,
    };
    const program = await context.start({ module: "worker-streams" }, job);
    const { connectMs } = await program.next<{ connectMs: number }>();
    await sleep(settleMs, undefined, { signal: context.options.signal });
    const [cpuBefore, commitsBefore, startMs] = [
      cpuSeconds(server.pid),
      await commits(context, databaseUrl),
      performance.now(),
    ];
    await sleep(idleMs, undefined, { signal: context.options.signal });
    const [cpuAfter, commitsAfter] = [cpuSeconds(server.pid), await commits(context, databaseUrl)];
    const seconds = (performance.now() - startMs) / 1000;
    const after = residentBytes(server.pid, "now");
    const { workMs } = await program.next<{ workMs: number }>();
    await program.process.stop();
    await server.stop();
    const figures = { connect: connectMs, queries: (commitsAfter - commitsBefore) / seconds, work: workMs };
    if (before === undefined || after === undefined || cpuBefore === undefined || cpuAfter === undefined) {
      const why = new NotRun("there is no /proc");
      return { ...figures, memory: why, cpu: why };
    }
    const memory = (after - before) / kibibyte / workerCount;
    return { ...figures, memory, cpu: ((cpuAfter - cpuBefore) / seconds) * 100 };
  });
}

/** Asked through another database, so that asking is not counted. PostgreSQL counts up to a second late. */
async function commits(context: BenchContext, databaseUrl: string): Promise<number> {
  const [row] = await context.postgres.query<{ count: string }>(
    "select (xact_commit + xact_rollback)::text count from pg_stat_database where datname = $1",
    [new URL(databaseUrl).pathname.slice(1)],
  );
  return Number(row?.count ?? 0);
}
