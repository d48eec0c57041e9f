import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CommandFailure } from "../command-failure.ts";
import type { ListeningMessage } from "../serve.ts";

/** ChildServerOptions says how a server of one's own is started. */
export interface ChildServerOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  readonly dataDir: string;
  /** Gives up starting. */
  readonly signal: AbortSignal;
}

/** ChildServer is a server that runs as a child process and ends with this one, whatever ends it. */
export interface ChildServer {
  readonly url: string;
  /** Aborted when the server has ended; the reason says why. */
  readonly ended: AbortSignal;
  /** Stops the server and waits for its end, by force after the grace. Harmless when it has ended. */
  stop(): Promise<void>;
}

/** Compiled, it ends as this file does. */
const cliFile = fileURLToPath(new URL(`../../cli${path.extname(import.meta.filename)}`, import.meta.url));
/** As in package.json's `start`: short pauses of the garbage collector. */
const nodeFlags = ["--max-semi-space-size=16"];
const notInherited = {
  DATABASE_URL: undefined,
  HOST: undefined,
  HOST_URL: undefined,
  npm_lifecycle_event: undefined,
};
/** So that the receivers of a first try can run on this machine. */
const forDemo = { MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true" };
const stopGraceMs = 20_000;
const tailLinesMax = 20;

/**
 * startChildServer starts `millpond serve` with an embedded database, never that of DATABASE_URL. It is its own process
 * group, so that Ctrl-C reaches only the parent, which stops it in good order; it stops by itself when the IPC channel
 * closes, as it does when the parent is killed.
 */
export async function startChildServer({ port, dataDir, signal }: ChildServerOptions): Promise<ChildServer> {
  const child = spawn(process.execPath, [...nodeFlags, cliFile, "serve"], {
    env: { ...process.env, ...notInherited, PORT: String(port), MILLPOND_DATA_DIR: dataDir, ...forDemo },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  const tail = keepTail(child);
  const ended = new AbortController();
  child.once("error", (error) => ended.abort(new CommandFailure(`the server cannot be started: ${error.message}`)));
  child.once("close", (code, signalName) => {
    const how = signalName ? `by ${signalName}` : `with code ${code}`;
    ended.abort(new CommandFailure(`the server ended ${how}${tail()}`));
  });
  const stop = () => stopChild(child, ended.signal);
  try {
    const url = await listening(child, AbortSignal.any([signal, ended.signal]));
    return { url, ended: ended.signal, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function listening(child: ChildProcess, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    child.on("message", (message: ListeningMessage) => {
      if (message.event !== "listening") return;
      signal.removeEventListener("abort", onAbort);
      resolve(message.url);
    });
  });
}

async function stopChild(child: ChildProcess, ended: AbortSignal): Promise<void> {
  if (ended.aborted) return;
  child.kill("SIGTERM");
  const grace = new AbortController();
  const end = new Promise<void>((resolve) => ended.addEventListener("abort", () => resolve(), { once: true }));
  const late = sleep(stopGraceMs, true, { signal: grace.signal }).catch(() => false);
  if ((await Promise.race([end.then(() => false), late])) === true) child.kill("SIGKILL");
  await end;
  grace.abort();
}

/** Keeps the last lines of what the server says, for the message that tells of its end; what it says must be read. */
function keepTail(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text = (text + chunk).split("\n").slice(-tailLinesMax).join("\n");
    });
  }
  return () => (text.trim() === "" ? "" : `; it said last:\n${text.trim().replace(/^/gm, "  ")}`);
}
