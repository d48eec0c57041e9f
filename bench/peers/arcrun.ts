import { open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonLoadJob } from "../programs/json-load.ts";
import { NotRun } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { layeredParents, payload } from "../support/bench-graphs.ts";
import type { OwnedProcess } from "../support/child-processes.ts";
import { type LoadResult, loadTimes } from "../support/grpc-load.ts";

/** ArcRunServer is where a server of ArcRun listens. */
export interface ArcRunServer {
  readonly url: string;
}

const startTimeoutMs = 60_000;
/** Nothing is called there: the loop that starts tasks does not come round. */
const startUrl = "http://127.0.0.1:9/start";

/**
 * startArcRun starts the program that BENCH_ARCRUN names on a database of its own, until the case ends; NotRun when it names
 * none. Of its settings, three differ from the defaults: the loop that starts tasks does not come round, as nobody takes
 * Millpond's tasks in these cases; it logs warnings only; and the calls that start tasks may name this machine.
 */
export async function startArcRun(context: BenchContext): Promise<ArcRunServer | NotRun> {
  const { arcRun: command, folder, caseName } = context.options;
  if (command === undefined) return new NotRun("BENCH_ARCRUN names no program");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const databaseUrl = await context.createDatabase("arcrun");
  const logFile = path.join(folder, `${caseName}-arcrun.log`);
  const log = await open(logFile, "a");
  try {
    const owned = await context.children.spawn(command, [], {
      stdio: ["ignore", log.fd, log.fd],
      // It reads a file .env of its working directory.
      cwd: folder,
      env: {
        ...{ PATH: process.env.PATH, DATABASE_URL: databaseUrl, HOST_URL: url, PORT: String(port) },
        ...{ RUST_LOG: "warn", SKIP_SSRF_VALIDATION: "1", WORKER_LOOP_INTERVAL_MS: String(24 * 3_600_000) },
      },
    });
    context.defer(() => owned.stop());
    await untilReady(url, owned, logFile);
    return { url };
  } finally {
    await log.close();
  }
}

/** createWithArcRun is how many tasks per second it creates, in graphs as Millpond's: in layers, two parents each. */
export async function createWithArcRun(
  context: BenchContext,
  server: ArcRunServer | NotRun,
  load: { readonly tasks: number; readonly layers: number; readonly connections: number },
): Promise<number | NotRun> {
  if (server instanceof NotRun) return server;
  const { tasks, layers, connections } = load;
  const body = arcRunTasks(tasks, Math.ceil(tasks / layers));
  const job = { url: server.url, path: "/task", method: "POST", body, status: 201, connections } as const;
  const { calls, seconds } = await context.run<LoadResult>("json-load", { ...job, ...loadTimes(context) });
  return (calls * tasks) / seconds;
}

/** readWithArcRun creates a task and is how often per second it reads it. */
export async function readWithArcRun(
  context: BenchContext,
  server: ArcRunServer | NotRun,
  load: { readonly connections: number },
): Promise<number | NotRun> {
  if (server instanceof NotRun) return server;
  const created = await fetch(`${server.url}/task`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body: arcRunTasks(1, 1) },
  });
  const [task] = (await created.json()) as { id: string }[];
  const job: JsonLoadJob = {
    ...{ url: server.url, path: `/task/${task?.id}`, method: "GET", status: 200, ...load, ...loadTimes(context) },
  };
  const { calls, seconds } = await context.run<LoadResult>("json-load", job);
  return calls / seconds;
}

/** The request that creates tasks: as much metadata as Millpond's have, and what is their input in the call that would start them. */
function arcRunTasks(tasks: number, width: number): string {
  const { metadata, input: body } = payload;
  const start = { kind: "Webhook", params: { url: startUrl, verb: "Post", body } };
  const all = Array.from({ length: tasks }, (_, n) => {
    const dependencies = layeredParents(n, width).map((place) => ({ id: `t${place}`, requires_success: true }));
    return { id: `t${n}`, name: `t${n}`, kind: "bench.create", metadata, on_start: start, dependencies };
  });
  return JSON.stringify(all);
}

/** It takes a port from its environment only, and does not tell which one it got for 0. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the port has no number");
  return address.port;
}

async function untilReady(url: string, owned: OwnedProcess, logFile: string): Promise<void> {
  const endMs = performance.now() + startTimeoutMs;
  let ended: string | undefined;
  void owned.ended.then((how) => {
    ended = how;
  });
  while (ended === undefined && performance.now() < endMs) {
    const answer = await fetch(`${url}/ready`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await sleep(50);
  }
  const tail = (await readFile(logFile, "utf8")).trim().split("\n").slice(-5).join("\n");
  throw new Error(`ArcRun ${ended ?? `was not ready within ${startTimeoutMs} ms`}; its log ends:\n${tail}`);
}
