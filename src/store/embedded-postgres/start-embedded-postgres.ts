import fs from "node:fs";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { findBinaries } from "./binaries.ts";
import { assertReachable, type DataFolder, openDataFolder, openLog } from "./data-folder.ts";
import { lockDataFolder } from "./data-folder-lock.ts";
import { clusterMajor, ensureCluster } from "./ensure-cluster.ts";
import { clearLeftOverPostmaster } from "./left-over-postmaster.ts";
import { postgresSettings } from "./postgres-settings.ts";
import { databaseUrl, type Postmaster, PostmasterFailure, type PostmasterPlan, startPostmaster } from "./postmaster.ts";
import { serverUser } from "./server-user.ts";
import { type PostmasterEnd, restartPolicy, supervisePostmaster } from "./supervise-postmaster.ts";

const startTimeoutMsDefault = 120_000;
const firstStartTries = 40;
const stillInUseWaitMs = 500;

/** What {@link startEmbeddedPostgres} starts. */
export interface EmbeddedPostgresOptions {
  /** Made if it is missing. One server at a time. */
  readonly dataDir: string;
  /** Default true. False, for tests alone, gives up what a crash of the machine would need (fsync). */
  readonly durable?: boolean;
  /** Settings of PostgreSQL, on top of the defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Which programs to try first: those of the npm package (default) or the system's. */
  readonly prefer?: "embedded" | "system";
  /** How long initdb, and PostgreSQL's start with its crash recovery, may each take. Default 120,000. */
  readonly startTimeoutMs?: number;
  /** Takes a line about what happens; default nothing. */
  readonly log?: (line: string) => void;
}

/**
 * EmbeddedPostgres is a private PostgreSQL that belongs to this process, until it is stopped or the process ends in any
 * way.
 */
export interface EmbeddedPostgres {
  /** Of the database `millpond`; it stays valid when PostgreSQL crashes and is started again. */
  readonly url: string;
  readonly port: number;
  /** PostgreSQL's version, such as `18.4`. */
  readonly version: string;
  /** Whether a postmaster that an ended server had left running was taken over, by stopping and starting it. */
  readonly adopted: boolean;
  readonly binDir: string;
  /**
   * Resolves when PostgreSQL has ended for good: by {@link stop} (expected), or after every restart failed. Never
   * rejects.
   */
  readonly exited: Promise<PostmasterEnd>;
  /** Idempotent and bounded; resolves when PostgreSQL has ended and the folder is free for another server. */
  stop(): Promise<void>;
}

/**
 * startEmbeddedPostgres makes the data folder what it has to be, and runs PostgreSQL in it. Every failure that the
 * operator can mend is an EmbeddedPostgresError: a second server on the folder, no programs, a cluster of another
 * version, a folder out of reach.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = openDataFolder(options.dataDir);
  const lock = await lockDataFolder(folder);
  let logFd: number | undefined;
  try {
    logFd = openLog(folder);
    const started = await startLocked(options, folder, logFd);
    const cleanUp = once(() => {
      if (logFd !== undefined) fs.closeSync(logFd);
      lock.release();
    });
    const stop = async () => {
      await started.stop();
      cleanUp();
    };
    return { ...started, stop };
  } catch (error) {
    if (logFd !== undefined) fs.closeSync(logFd);
    lock.release();
    throw error;
  }
}

async function startLocked(
  options: EmbeddedPostgresOptions,
  folder: DataFolder,
  logFd: number,
): Promise<EmbeddedPostgres> {
  const { durable = true, prefer = "embedded", startTimeoutMs = startTimeoutMsDefault, log = () => {} } = options;
  const user = serverUser(folder.cluster);
  await assertReachable(folder, user);
  const major = clusterMajor(folder);
  const existing = major === undefined ? undefined : { clusterDir: folder.cluster, major };
  const binaries = await findBinaries({ prefer, user, copyDir: folder.binaries, existing });
  const password = await ensureCluster({ folder, binaries, user, durable, logFd, timeoutMs: startTimeoutMs, log });
  const settings = postgresSettings(durable, options.settings ?? {});
  const plan: PostmasterPlan = { folder, binaries, user, logFd, password, settings, startTimeoutMs };
  const { postmaster, port, adopted } = await startOnFreePort(plan, log);
  const restart = async (signal: AbortSignal) => {
    await clearLeftOverPostmaster(folder.cluster, log);
    return await startPostmaster(plan, port, signal);
  };
  const supervised = supervisePostmaster({ first: postmaster, restart, policy: restartPolicy, log });
  const { version, binDir } = binaries;
  log(`PostgreSQL ${version} runs on port ${port} with its data in ${folder.cluster}`);
  return { url: databaseUrl(password, port), port, version, adopted, binDir, ...supervised };
}

/**
 * Between the system's choice of a port and PostgreSQL's use of it somebody else may take it: then another one is
 * tried. What an earlier postmaster left may take a moment to end.
 */
async function startOnFreePort(
  plan: PostmasterPlan,
  log: (line: string) => void,
): Promise<{ postmaster: Postmaster; port: number; adopted: boolean }> {
  let adopted = false;
  for (let tries = 1; ; tries++) {
    adopted = (await clearLeftOverPostmaster(plan.folder.cluster, log)) || adopted;
    const port = await freePort();
    try {
      return { postmaster: await startPostmaster(plan, port), port, adopted };
    } catch (error) {
      const obstacle = error instanceof PostmasterFailure ? error.obstacle : "other";
      if (obstacle === "other" || tries === firstStartTries) throw error;
      if (obstacle === "still-in-use") await delay(stillInUseWaitMs);
    }
  }
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
