import fs from "node:fs";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

/**
 * ServerUser is the account that PostgreSQL's processes run under when Millpond is root, as PostgreSQL refuses to be
 * root.
 */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** isRoot tells whether this process is root; never on Windows. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * serverUser is the account to run PostgreSQL under: undefined for the present one, which is every case but root. As
 * root it is the owner of an existing cluster, else `postgres`, else `nobody` (initdb needs an account that /etc/passwd
 * knows).
 */
export function serverUser(clusterDir: string): ServerUser | undefined {
  const uid = process.getuid?.();
  if (uid === undefined) return undefined;
  const owner = fs.statSync(clusterDir, { throwIfNoEntry: false });
  if (uid !== 0) {
    if (owner !== undefined && owner.uid !== uid) {
      throw new EmbeddedPostgresError(
        `${clusterDir} belongs to user id ${owner.uid} and this process runs as ${uid}; ` +
          "run Millpond as that user (or as root), or set MILLPOND_DATA_DIR to a folder of your own",
      );
    }
    return undefined;
  }
  const users = accounts();
  if (owner !== undefined && owner.uid !== 0) {
    const name = users.find((user) => user.uid === owner.uid)?.name ?? String(owner.uid);
    return { name, uid: owner.uid, gid: owner.gid };
  }
  const user = users.find(({ name }) => name === "postgres") ?? users.find(({ name }) => name === "nobody");
  if (user === undefined) {
    throw new EmbeddedPostgresError(
      "PostgreSQL does not run as root, and neither user postgres nor user nobody exists to run it; " +
        "start Millpond as an ordinary user, or set DATABASE_URL",
    );
  }
  return user;
}

/** runAs is the part of the options of `child_process` that makes a child run as the given user. */
export function runAs(user: ServerUser | undefined): { uid?: number; gid?: number } {
  return user === undefined ? {} : { uid: user.uid, gid: user.gid };
}

/** giveTo hands a file or folder to the user that PostgreSQL runs as. */
export function giveTo(file: string, user: ServerUser | undefined): void {
  if (user !== undefined) fs.chownSync(file, user.uid, user.gid);
}

function accounts(): ServerUser[] {
  const lines = fs.readFileSync("/etc/passwd", "utf8").split("\n");
  return lines.flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    // macOS writes nobody's ids as -2, which the system means as an unsigned number.
    return name && uid && gid && !line.startsWith("#")
      ? [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }]
      : [];
  });
}
