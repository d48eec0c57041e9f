import fs from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import type { DataFolder } from "./data-folder.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

/**
 * DataFolderLock is the right to be the one server on a data folder, until it is released or the process ends in any
 * way.
 */
export interface DataFolderLock {
  release(): void;
}

/** Keeps the connections from being garbage-collected, which would drop their locks. */
const held = new Set<DatabaseSync>();
const sqliteBusy = 5;

/**
 * lockDataFolder takes the folder or refuses with the process id of the server that has it.
 *
 * Node cannot lock files, but the SQLite that it carries can: an exclusive transaction on the empty `millpond.lock` is
 * a lock of the operating system (fcntl, LockFileEx). The kernel drops it when the process ends, SIGKILL included,
 * children do not inherit it, there is nothing stale to take over and so no race between two first starts, and a reused
 * process id means nothing. It also holds between containers on one machine, where process ids and sockets do not.
 * Whoever else opens and closes `millpond.lock` in this process would drop the lock (a rule of fcntl), so the holder's
 * process id has a file of its own.
 */
export async function lockDataFolder(folder: DataFolder): Promise<DataFolderLock> {
  const database = new DatabaseSync(folder.lock, { timeout: 0 });
  try {
    // Without a journal file, as nothing is ever written.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode !== sqliteBusy) {
      throw new EmbeddedPostgresError(
        `cannot lock ${folder.lock} (${(cause as Error).message}); ` +
          "set MILLPOND_DATA_DIR to a folder of your own on a local disk, or DATABASE_URL to use another PostgreSQL",
        { cause },
      );
    }
    const pid = await holderPid(folder);
    const who = pid === undefined ? "process id unknown" : `process ${pid}`;
    throw new EmbeddedPostgresError(
      `another Millpond server (${who}) uses the data folder ${folder.root}; stop it, ` +
        "or set MILLPOND_DATA_DIR to another folder, or set DATABASE_URL on both to let them share one database",
    );
  }
  held.add(database);
  fs.writeFileSync(folder.holder, `${process.pid}\n`);
  return {
    release() {
      if (!held.delete(database)) return;
      fs.rmSync(folder.holder, { force: true });
      database.close();
    },
  };
}

/** The holder writes its id just after it has the lock: what is there until then is of a server that has ended. */
async function holderPid(folder: DataFolder): Promise<number | undefined> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      const pid = Number.parseInt(fs.readFileSync(folder.holder, "utf8"), 10);
      if (pid > 0 && isAlive(pid)) return pid;
    } catch {
      // Not written yet.
    }
    await delay(25);
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
