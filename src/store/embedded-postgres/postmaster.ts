import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import type { Binaries } from "./binaries.ts";
import { type DataFolder, logSince } from "./data-folder.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { readPostmasterPid } from "./left-over-postmaster.ts";
import { postgresEnvironment } from "./postgres-environment.ts";
import type { ServerUser } from "./server-user.ts";
import { type GuardedProcess, spawnGuarded } from "./spawn-guarded.ts";
import { waitForEnd } from "./wait-for-end.ts";

const run = promisify(execFile);
const loopback = "127.0.0.1";
const maintenanceDatabase = "postgres";
const millpondDatabase = "millpond";

/** What a postmaster is started from. */
export interface PostmasterPlan {
  readonly folder: DataFolder;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly logFd: number;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly startTimeoutMs: number;
}

/** Postmaster is one running server process of PostgreSQL. */
export interface Postmaster {
  /** Resolves when it has ended, wanted or not, with how it ended. */
  readonly ended: Promise<string>;
  /** Fast shutdown, and an immediate one if that takes longer than its bound. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** PostmasterFailure is a start that did not succeed; `obstacle` says whether another try may. */
export class PostmasterFailure extends EmbeddedPostgresError {
  readonly obstacle: "port-taken" | "still-in-use" | "other";

  constructor(message: string, obstacle: PostmasterFailure["obstacle"]) {
    super(message);
    this.obstacle = obstacle;
  }
}

/**
 * startPostmaster starts PostgreSQL on the port and resolves when it accepts connections and has the database
 * `millpond`. When `signal` aborts, it stops what it began and rejects.
 */
export async function startPostmaster(plan: PostmasterPlan, port: number, signal?: AbortSignal): Promise<Postmaster> {
  const { folder, binaries, user, logFd, settings } = plan;
  const logged = fs.fstatSync(logFd).size;
  const startedAtSec = Math.floor(Date.now() / 1000);
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const args = ["-D", folder.cluster, "-p", String(port), ...options];
  const child = spawnGuarded({ program: path.join(binaries.binDir, "postgres"), args, user, logFd });
  let status: number | undefined;
  const ended = child.ended.then((code) => {
    status = code;
    return `PostgreSQL ended with status ${code}; its log is ${folder.log}`;
  });
  const postmaster = { ended, stop: () => stopPostmaster(plan, child) };
  const deadline = Date.now() + plan.startTimeoutMs;
  try {
    while (!(await acceptsConnections(plan, port, startedAtSec))) {
      if (status !== undefined) throw startFailure(status, folder, logSince(folder, logged));
      if (Date.now() > deadline) {
        throw new PostmasterFailure(
          `PostgreSQL was not ready within ${plan.startTimeoutMs} ms; see ${folder.log}`,
          "other",
        );
      }
      await delay(15, undefined, { signal });
    }
  } catch (error) {
    await postmaster.stop();
    throw error;
  }
  return postmaster;
}

/** databaseUrl is where the database `millpond` of the postmaster on the port is reached. */
export function databaseUrl(password: string, port: number): string {
  return `postgres://postgres:${password}@${loopback}:${port}/${millpondDatabase}?sslmode=disable`;
}

/** `postmaster.pid` spares connections that cannot succeed; that the password is accepted proves who is listening. */
async function acceptsConnections(
  { folder, password }: PostmasterPlan,
  port: number,
  startedAtSec: number,
): Promise<boolean> {
  const state = readPostmasterPid(folder.cluster);
  if (state?.ready !== true || state.port !== port || state.startedAtSec < startedAtSec) return false;
  const client = new pg.Client({
    host: loopback,
    port,
    user: "postgres",
    password,
    database: maintenanceDatabase,
    ssl: false,
    connectionTimeoutMillis: 5000,
  });
  // A connection that breaks also rejects what waits on it.
  client.on("error", () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [millpondDatabase]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${millpondDatabase}`);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code?.startsWith("28")) {
      throw new PostmasterFailure(
        `the password in ${folder.secret} is not that of the database in ${folder.cluster}; ` +
          "put back the one that it was made with, or set MILLPOND_DATA_DIR to another folder to begin afresh",
        "other",
      );
    }
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function startFailure(status: number, folder: DataFolder, said: string): PostmasterFailure {
  let obstacle: PostmasterFailure["obstacle"] = "other";
  if (/could not bind|could not create any TCP\/IP sockets/.test(said)) obstacle = "port-taken";
  // Processes of a postmaster that was killed finish what they are at before they notice; its own end may not be
  // visible yet.
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said))
    obstacle = "still-in-use";
  return new PostmasterFailure(
    `PostgreSQL ended with status ${status} at its start (see ${folder.log}):\n${said}`,
    obstacle,
  );
}

async function stopPostmaster({ binaries, folder }: PostmasterPlan, child: GuardedProcess): Promise<void> {
  if (process.platform === "win32") {
    const options = { env: postgresEnvironment() };
    await run(path.join(binaries.binDir, "pg_ctl"), ["stop", "-D", folder.cluster, "-m", "fast"], options).catch(
      () => {},
    );
  }
  for (const [signal, boundMs] of [
    ["INT", 20_000],
    ["QUIT", 10_000],
  ] as const) {
    child.signal(signal);
    if ((await waitForEnd(child, boundMs)) !== undefined) return;
  }
  child.signal("KILL");
  await child.ended;
}
