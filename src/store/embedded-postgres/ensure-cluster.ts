import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Binaries } from "./binaries.ts";
import { type DataFolder, logSince } from "./data-folder.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { giveTo, type ServerUser } from "./server-user.ts";
import { spawnGuarded } from "./spawn-guarded.ts";
import { waitForEnd } from "./wait-for-end.ts";

const initPrefix = "postgres.init-";

/** clusterMajor is the major version of PostgreSQL that made the cluster; undefined where there is none yet. */
export function clusterMajor(folder: DataFolder): number | undefined {
  if (!isFinished(folder)) return undefined;
  return Number.parseInt(fs.readFileSync(path.join(folder.cluster, "PG_VERSION"), "utf8"), 10);
}

/** What {@link ensureCluster} works with. */
export interface ClusterPlan {
  readonly folder: DataFolder;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly durable: boolean;
  readonly logFd: number;
  readonly timeoutMs: number;
  readonly log: (line: string) => void;
}

/**
 * ensureCluster makes the cluster if there is none and returns the superuser's password. initdb works in a sibling
 * folder that is renamed when it is complete, so that a cluster is there whole or not at all; what an interrupted
 * initdb left is removed. A cluster folder that holds something else is never deleted but moved aside. The caller holds
 * the lock of the data folder.
 */
export async function ensureCluster(plan: ClusterPlan): Promise<string> {
  try {
    return isFinished(plan.folder) ? readSecret(plan.folder) : await makeCluster(plan);
  } finally {
    // Only now, as an initdb whose server was killed may need a moment to notice.
    removeUnfinished(plan);
  }
}

async function makeCluster(plan: ClusterPlan): Promise<string> {
  const { folder, log } = plan;
  moveUnknownAside(folder, log);
  log(`making a database cluster in ${folder.cluster} (PostgreSQL ${plan.binaries.version})`);
  const password = randomBytes(24).toString("hex");
  writeSecret(plan, password);
  const made = fs.mkdtempSync(path.join(folder.root, initPrefix));
  giveTo(made, plan.user);
  await initdb(plan, made);
  fs.renameSync(made, folder.cluster);
  if (plan.durable) syncFolder(folder.root);
  return password;
}

function removeUnfinished({ folder, log }: ClusterPlan): void {
  for (const name of fs.readdirSync(folder.root).filter((entry) => entry.startsWith(initPrefix))) {
    log(`removing ${name}, which an interrupted initdb left`);
    try {
      fs.rmSync(path.join(folder.root, name), { recursive: true, force: true });
    } catch (error) {
      // It is in nobody's way, and the next start tries again.
      log(`could not remove it: ${(error as Error).message}`);
    }
  }
}

async function initdb(plan: ClusterPlan, made: string): Promise<void> {
  const { folder, binaries, user, durable, logFd, timeoutMs } = plan;
  // Sorting by code point, the same on every machine; before PostgreSQL 17 the nearest that every machine has is C.
  const locale = binaries.major >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : [];
  const args = [
    "-D",
    made,
    "-U",
    "postgres",
    "-A",
    "scram-sha-256",
    "--pwfile",
    folder.secret,
    "-E",
    "UTF8",
    ...locale,
  ];
  args.push("--locale=C", "--no-instructions", ...(durable ? [] : ["--no-sync"]));
  const logged = fs.fstatSync(logFd).size;
  const child = spawnGuarded({ program: path.join(binaries.binDir, "initdb"), args, user, logFd });
  const status = await waitForEnd(child, timeoutMs);
  if (status === 0) return;
  child.signal("INT");
  await waitForEnd(child, 5000);
  const why = status === undefined ? `took longer than ${timeoutMs} ms` : `ended with status ${status}`;
  throw new EmbeddedPostgresError(
    `initdb ${why}, so there is no database in ${folder.cluster}; ` +
      "set MILLPOND_DATA_DIR to another folder, or DATABASE_URL. " +
      `It said (see ${folder.log}):\n${logSince(folder, logged)}`,
  );
}

function isFinished({ cluster }: DataFolder): boolean {
  return ["PG_VERSION", "global/pg_control"].every((file) => fs.existsSync(path.join(cluster, file)));
}

function moveUnknownAside({ cluster }: DataFolder, log: (line: string) => void): void {
  if (!fs.existsSync(cluster)) return;
  if (fs.readdirSync(cluster).length === 0) {
    fs.rmdirSync(cluster);
    return;
  }
  const aside = `${cluster}.incomplete-${Date.now()}`;
  fs.renameSync(cluster, aside);
  log(`${cluster} is no complete database cluster; moved it to ${aside}`);
}

function readSecret({ secret, cluster }: DataFolder): string {
  try {
    return fs.readFileSync(secret, "utf8").trim();
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `cannot read ${secret}, the password of the database in ${cluster} (${(cause as Error).message}); ` +
        "put the file back, or set MILLPOND_DATA_DIR to another folder to begin afresh",
      { cause },
    );
  }
}

function writeSecret({ folder, user, durable }: ClusterPlan, password: string): void {
  fs.rmSync(folder.secret, { force: true });
  const file = fs.openSync(folder.secret, "wx", 0o600);
  try {
    fs.writeSync(file, `${password}\n`);
    if (durable) fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  // initdb reads it.
  giveTo(folder.secret, user);
}

function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const handle = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}
