import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { ListeningMessage } from "../../src/cli/serve.ts";
import type { ChildProcesses, OwnedProcess } from "./child-processes.ts";

/** MillpondServer is a server in a process of its own, as users start it. */
export interface MillpondServer {
  readonly url: string;
  readonly pid: number;
  /** From the start of the process to the line that says it listens. */
  readonly startMs: number;
  stop(): Promise<void>;
}

/** What a server is started with. */
export interface MillpondServerOptions {
  /** Where it writes its log, as the shell of a user would redirect it. */
  readonly logFile: string;
  /** On top of the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Flags of Node beside those of `npm start`. */
  readonly nodeFlags?: readonly string[];
}

const cliFile = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const notInherited = {
  ...{ DATABASE_URL: undefined, HOST: undefined, HOST_URL: undefined, NODE_OPTIONS: undefined },
  npm_lifecycle_event: undefined,
};
const startTimeoutMs = 60_000;

/** startMillpondServer starts `millpond serve` with the flags of `npm start`, on a free port. */
export async function startMillpondServer(
  children: ChildProcesses,
  { logFile, env, nodeFlags = [] }: MillpondServerOptions,
): Promise<MillpondServer> {
  const log = await open(logFile, "a");
  try {
    const startedAtMs = performance.now();
    const owned = await children.spawn(process.execPath, [...startFlags(), ...nodeFlags, cliFile, "serve"], {
      stdio: ["ignore", log.fd, log.fd, "ipc"],
      env: { ...process.env, ...notInherited, PORT: "0", ...env },
    });
    const url = await listening(owned, logFile);
    // A call that fails because the server is gone does not say why it is.
    void owned.ended.then((how) => {
      if (!how.endsWith("code 0")) process.stderr.write(`the server ${how}\n`);
    });
    return { url, pid: owned.pid, startMs: performance.now() - startedAtMs, stop: owned.stop };
  } finally {
    await log.close();
  }
}

/** The flags of Node in package.json's `start`. */
function startFlags(): string[] {
  const file = new URL("../../package.json", import.meta.url);
  const { start } = (JSON.parse(readFileSync(file, "utf8")) as { scripts: { start: string } }).scripts;
  return start.split(" ").filter((word) => word.startsWith("--"));
}

async function listening(owned: OwnedProcess, logFile: string): Promise<string> {
  const url = Promise.withResolvers<string>();
  owned.child.on("message", (message: ListeningMessage) => {
    if (message.event === "listening") url.resolve(message.url);
  });
  const failed = (why: string) => {
    const tail = readFileSync(logFile, "utf8").trim().split("\n").slice(-5).join("\n");
    url.reject(new Error(`the server ${why}; its log ends:\n${tail}`));
  };
  void owned.ended.then(failed);
  const timer = setTimeout(() => failed(`did not listen within ${startTimeoutMs} ms`), startTimeoutMs);
  try {
    return await url.promise;
  } catch (error) {
    await owned.stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** nameOfLog is the file in which a server of a case logs. */
export function nameOfLog(folder: string, caseName: string): string {
  return path.join(folder, `${caseName}.log`);
}
