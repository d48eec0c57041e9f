import { setTimeout as sleep } from "node:timers/promises";
import { type BenchCase, NotRun, type Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { startMillpondServer } from "../support/millpond-server.ts";
import { cpuSeconds, residentBytes } from "../support/process-usage.ts";

const mebibyte = 1024 ** 2;

/** What a server costs that has nothing to do. */
export const idle: BenchCase = {
  name: "idle",
  title: "Start-up, and a server that has nothing to do",
  about:
    "Start-up: from the start of the process until it says that it listens; embedded: with its own PostgreSQL, whose data folder is there. Idle, after 30 s without calls, in which it collects what its start has left, once: " +
    "memory of the server's process (PostgreSQL's apart), its processor time over 20 s, and transactions that PostgreSQL counts for its database meanwhile; beside it, the processor time of those 30 s.",
  figures: [
    {
      ...{ id: "embedded", title: "start-up with embedded PostgreSQL", unit: "ms", better: "less" },
      bar: { kind: "value", value: 1_000 },
    },
    { id: "external", title: "start-up with DATABASE_URL", unit: "ms", better: "less" },
    { id: "memory", title: "memory when idle", unit: "MB", better: "less", bar: { kind: "value", value: 150 } },
    { id: "cpu", title: "processor when idle", unit: "% of a core", better: "less", bar: { kind: "value", value: 1 } },
    { id: "settling", title: "processor in the 30 s before", unit: "% of a core", better: "less" },
    {
      ...{ id: "queries", title: "transactions when idle", unit: "per second", better: "less" },
      bar: { kind: "value", value: 5 },
    },
  ],
  open,
};

async function open(context: BenchContext): Promise<Part[]> {
  const databaseUrl = await context.createDatabase("server");
  const embeddedFolder = `${context.options.folder}/idle-data`;
  // The first start makes the data folder, and that of the database its tables.
  await startEmbedded(context, embeddedFolder);
  await (await context.startServer(databaseUrl)).stop();
  return [
    {
      name: "Millpond, start-up",
      measure: async () => {
        const embedded = await startEmbedded(context, embeddedFolder);
        const server = await context.startServer(databaseUrl);
        await server.stop();
        return { embedded, external: server.startMs };
      },
    },
    { name: "Millpond, idle", measure: () => idleUse(context, databaseUrl) },
  ];
}

async function startEmbedded(context: BenchContext, dataDir: string): Promise<number> {
  const server = await startMillpondServer(context.children, {
    ...{ logFile: `${context.options.folder}/idle-embedded.log`, env: { MILLPOND_DATA_DIR: dataDir } },
  });
  await server.stop();
  return server.startMs;
}

async function idleUse(context: BenchContext, databaseUrl: string) {
  const server = await context.startServer(databaseUrl);
  const look = async (): Promise<Look> => ({
    ...{ cpu: cpuSeconds(server.pid), commits: await commits(context, databaseUrl), ms: performance.now() },
  });
  const pause = (ms: number) => sleep(ms, undefined, { signal: context.options.signal });
  const up = await look();
  await pause(context.size(30_000, 1_000));
  const before = await look();
  await pause(context.size(20_000, 2_000));
  const after = await look();
  const memory = residentBytes(server.pid, "now");
  await server.stop();
  const queries = (after.commits - before.commits) / ((after.ms - before.ms) / 1000);
  const [settling, cpu] = [percentOfCore(up, before), percentOfCore(before, after)];
  if (settling === undefined || cpu === undefined || memory === undefined) {
    const why = new NotRun("there is no /proc");
    return { memory: why, cpu: why, settling: why, queries };
  }
  return { memory: memory / mebibyte, cpu, settling, queries };
}

/** What a server has used until a moment. */
interface Look {
  readonly cpu: number | undefined;
  readonly commits: number;
  readonly ms: number;
}

function percentOfCore(from: Look, to: Look): number | undefined {
  if (from.cpu === undefined || to.cpu === undefined) return undefined;
  return ((to.cpu - from.cpu) / ((to.ms - from.ms) / 1000)) * 100;
}

/** Asked through another database, so that asking is not counted. PostgreSQL counts up to a second late. */
async function commits(context: BenchContext, databaseUrl: string): Promise<number> {
  const [row] = await context.postgres.query<{ count: string }>(
    "select (xact_commit + xact_rollback)::text count from pg_stat_database where datname = $1",
    [new URL(databaseUrl).pathname.slice(1)],
  );
  return Number(row?.count ?? 0);
}
