import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { isRoot, runAs, type ServerUser } from "./server-user.ts";

const run = promisify(execFile);
const logBytesMax = 16 * 1024 * 1024;

/** DataFolder names the files of one data folder; every path is absolute and free of symbolic links. */
export interface DataFolder {
  readonly root: string;
  /** PGDATA, mode 0700. It exists only as a finished cluster. */
  readonly cluster: string;
  /** Password of the superuser, mode 0600. */
  readonly secret: string;
  readonly log: string;
  readonly lock: string;
  /** Process id of the server that holds the lock, for the message that refuses a second one. */
  readonly holder: string;
  /** Copies of PostgreSQL's programs, one folder per version, made only where the originals cannot be used. */
  readonly binaries: string;
}

/**
 * openDataFolder makes the folder if it is missing. What root makes, and an empty folder that root brings, can be
 * walked through by the user that PostgreSQL runs as, whatever the umask; what an ordinary user makes is private.
 */
export function openDataFolder(dataDir: string): DataFolder {
  const wanted = path.resolve(dataDir);
  try {
    const firstMade = fs.mkdirSync(wanted, { recursive: true, mode: isRoot() ? 0o755 : 0o700 });
    if (firstMade === undefined && isRoot() && fs.readdirSync(wanted).length === 0) {
      fs.chmodSync(wanted, (fs.statSync(wanted).mode & 0o7777) | 0o011);
    }
    if (firstMade !== undefined && isRoot()) {
      for (let made = wanted; made.length >= firstMade.length; made = path.dirname(made)) fs.chmodSync(made, 0o755);
    }
    fs.accessSync(wanted, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `cannot write to the data folder ${wanted} (${(cause as Error).message}); ` +
        "set MILLPOND_DATA_DIR to a folder that you own, or DATABASE_URL to use another PostgreSQL",
      { cause },
    );
  }
  const root = fs.realpathSync(wanted);
  return {
    root,
    cluster: path.join(root, "postgres"),
    secret: path.join(root, "postgres.secret"),
    log: path.join(root, "postgres.log"),
    lock: path.join(root, "millpond.lock"),
    holder: path.join(root, "millpond.pid"),
    binaries: path.join(root, "binaries"),
  };
}

/**
 * assertReachable refuses a data folder that the user which PostgreSQL runs as cannot walk to, such as one below a
 * private home.
 */
export async function assertReachable(folder: DataFolder, user: ServerUser | undefined): Promise<void> {
  if (user === undefined) return;
  try {
    await run("/bin/sh", ["-c", 'cd "$1"', "sh", folder.root], { ...runAs(user), cwd: "/" });
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `PostgreSQL does not run as root, and user ${user.name} cannot reach the data folder ${folder.root}; ` +
        "set MILLPOND_DATA_DIR to a folder below directories that everybody may enter (such as /var/lib/millpond), " +
        "or start Millpond as an ordinary user, or set DATABASE_URL",
      { cause },
    );
  }
}

/** openLog opens PostgreSQL's log for appending; one that has outgrown 16 MiB is kept once as `postgres.log.1`. */
export function openLog(folder: DataFolder): number {
  const size = fs.statSync(folder.log, { throwIfNoEntry: false })?.size ?? 0;
  if (size > logBytesMax) fs.renameSync(folder.log, `${folder.log}.1`);
  return fs.openSync(folder.log, "a", 0o600);
}

/** logSince is what was logged after `offset`, at most its last 4,000 bytes. */
export function logSince(folder: DataFolder, offset: number): string {
  return fs.readFileSync(folder.log).subarray(offset).subarray(-4000).toString("utf8").trim();
}
