import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { LastLines } from "./last-lines.ts";
import { endGroup, watchGroup } from "./process-groups.ts";

/** ProgramOptions says what is run, with what, and who is told. */
export interface ProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: string;
  /** Ends the program and all that it has started. */
  readonly signal: AbortSignal;
  /** How long it may take to end. */
  readonly killAfterMs: () => number;
  /** Is told of each line of standard error. */
  readonly onLine: (line: string) => void;
}

/** ProgramEnd is how a program ended, and what it wrote. */
export interface ProgramEnd {
  readonly exitCode: number | null;
  readonly signalName: NodeJS.Signals | null;
  readonly stdout: string;
  /** It wrote more than a task may produce, and was ended. */
  readonly isOutputTooLarge: boolean;
  /** The last lines of standard error. */
  readonly lastLines: string;
}

/** Beyond what a server takes as a task's output (1 MiB of JSON) by what white space may add. */
export const outputBytesMax = 4 * 1024 * 1024;
/** How long what a program has left behind may hold its output open. */
const outputLingerMs = 2_000;

/**
 * runProgram runs a program to its end, in a process group of its own: the terminal's Ctrl-C does not reach it. Rejects when it cannot be
 * started.
 */
export async function runProgram(options: ProgramOptions): Promise<ProgramEnd> {
  const { program, args, env, stdin, signal, killAfterMs } = options;
  const child = spawn(program, args, { env, stdio: "pipe", detached: true });
  using _ = watchGroup(child);
  // A program that does not read its input closes it.
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  const lines = new LastLines(options.onLine);
  child.stderr.setEncoding("utf8").on("data", (text: string) => lines.add(text));
  const tooLarge = new AbortController();
  const output = collect(child, () => tooLarge.abort());
  const closed = once(child, "close");
  closed.catch(() => undefined);
  const isOver = AbortSignal.any([signal, tooLarge.signal]);

  const ending = Promise.withResolvers<void>();
  const end = () => void endGroup(child, killAfterMs()).then(ending.resolve);
  if (isOver.aborted) end();
  else isOver.addEventListener("abort", end, { once: true });
  try {
    const [exitCode, signalName] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    if (isOver.aborted) await ending.promise;
    const isClosed = await Promise.race([closed, sleep(outputLingerMs, false, { ref: false })]);
    // What it has left behind and did not cut off from its own output would add up, task by task.
    if (isClosed === false) await endGroup(child, killAfterMs());
    lines.end();
    return { exitCode, signalName, stdout: output(), isOutputTooLarge: tooLarge.signal.aborted, lastLines: lines.text };
  } finally {
    isOver.removeEventListener("abort", end);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** Collects standard output, as much as a task may produce. */
function collect(child: ChildProcess, onTooLarge: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout?.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= outputBytesMax) chunks.push(chunk);
    else onTooLarge();
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
