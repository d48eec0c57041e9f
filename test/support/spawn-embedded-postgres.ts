import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";
import type { EmbeddedPostgresOptions } from "../../src/store/embedded-postgres/start-embedded-postgres.ts";

/** What the process told when it had started, or why it did not. */
export type Outcome =
  | { event: "started"; url: string; version: string; adopted: boolean; binDir: string }
  | { event: "failed"; name: string; message: string };

/** PostgresOwner is a separate process that owns an embedded PostgreSQL. */
export interface PostgresOwner {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** Resolves when the process has logged a line that contains the text. */
  logged(text: string): Promise<void>;
  /** Ends the process by the signal and waits for its end. */
  end(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Where to run the owner: a script, the module that it loads, a user and an environment other than the present ones.
 */
export interface OwnerPlace {
  readonly script?: string;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

/** spawnOwner starts `test/support/embedded-postgres-process.ts` with the options. */
export function spawnOwner(options: EmbeddedPostgresOptions, place: OwnerPlace = {}): PostgresOwner {
  const script = place.script ?? path.join(import.meta.dirname, "embedded-postgres-process.ts");
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    ...place.user,
    cwd: "/",
    env: place.env ?? process.env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines: string[] = [];
  let wake = () => {};
  const outcome = new Promise<Outcome>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (text) => {
      const told = JSON.parse(text) as Outcome | { event: "log"; line: string };
      if (told.event === "log") lines.push(told.line);
      else resolve(told);
      wake();
    });
    child.once("exit", () => reject(new Error(`the process ended first; it logged: ${lines.join(" | ")}`)));
  });
  outcome.catch(() => {});
  return {
    pid: child.pid ?? 0,
    child,
    outcome,
    async logged(text) {
      while (!lines.some((line) => line.includes(text))) await new Promise<void>((resolve) => (wake = resolve));
    },
    async end(signal) {
      child.kill(signal);
      if (child.exitCode === null && child.signalCode === null) await exited;
    },
  };
}

/** started is the owner's outcome, which has to be a success. */
export async function started(owner: PostgresOwner): Promise<Extract<Outcome, { event: "started" }>> {
  const outcome = await owner.outcome;
  if (outcome.event === "failed") throw new Error(outcome.message);
  return outcome;
}

/** query runs statements on a connection of their own and returns the last one's rows. */
export async function query(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, ssl: false });
  client.on("error", () => {});
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await client.query(statement));
    return rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** processesNaming lists the living processes whose command line contains the text, this one not among them. */
export function processesNaming(text: string): { pid: number; command: string }[] {
  const listing = execFileSync("ps", ["-ww", "-eo", "pid=,stat=,args="], { encoding: "utf8" });
  return listing.split("\n").flatMap((line) => {
    const [, pid, stat, command] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const counts = command?.includes(text) && !stat?.startsWith("Z") && Number(pid) !== process.pid;
    return counts ? [{ pid: Number(pid), command: command ?? "" }] : [];
  });
}

/** postmasterPid is the process id of the postmaster that runs on the data folder. */
export function postmasterPid(dataDir: string): number {
  return Number.parseInt(fs.readFileSync(path.join(dataDir, "postgres", "postmaster.pid"), "utf8"), 10);
}

/** makeDataDir makes an empty folder for one test. */
export function makeDataDir(): string {
  return fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "millpond-postgres-test-")));
}

/** ordinaryUser is the account to use where a test must not be root: undefined if this process is not. */
export function ordinaryUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, , uid, gid] = (/^nobody:.*$/m.exec(fs.readFileSync("/etc/passwd", "utf8"))?.[0] ?? "").split(":");
  return { uid: Number(uid), gid: Number(gid) };
}
