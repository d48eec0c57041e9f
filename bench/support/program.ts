import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ChildProcesses, OwnedProcess } from "./child-processes.ts";

/** What a program prints, one JSON object a line. */
export type ProgramLine = Readonly<Record<string, unknown>>;

/** Program is a helper process of the benchmarks: it reads its job, a line of JSON, and prints JSON lines. */
export interface Program {
  readonly process: OwnedProcess;
  /** The next line; rejects with what the program said last when it ends before. */
  next<Line extends ProgramLine>(): Promise<Line>;
}

/** Which program to start: a module of bench/programs, or any other command. */
export type ProgramSource =
  | { readonly module: string; readonly nodeFlags?: readonly string[] }
  | { readonly command: string };

/** The inherited variables that would change what a helper does. */
const notInherited = { DATABASE_URL: undefined, npm_lifecycle_event: undefined, NODE_OPTIONS: undefined };
const tailBytesMax = 4_000;
const endGraceMs = 10_000;

/** startProgram starts a helper process. It ends by itself when its standard input closes, as it does with this process. */
export async function startProgram(
  children: ChildProcesses,
  { source, job }: { readonly source: ProgramSource; readonly job: object },
): Promise<Program> {
  const [command, args] =
    "module" in source
      ? [process.execPath, [...(source.nodeFlags ?? []), moduleFile(source.module)]]
      : [source.command, []];
  const owned = await children.spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...notInherited },
  });
  const { stdout, stderr, stdin } = owned.child;
  if (!stdout || !stderr || !stdin) throw new Error("the program has no pipes");
  // It may end before it has read all.
  stdin.on("error", () => {});
  stdin.write(`${JSON.stringify(job)}\n`);
  let tail = "";
  stderr.setEncoding("utf8").on("data", (chunk: string) => {
    tail = (tail + chunk).slice(-tailBytesMax);
  });
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const name = "module" in source ? source.module : source.command;
  const next = async <Line extends ProgramLine>(): Promise<Line> => {
    const { value, done } = await lines.next();
    if (!done) return JSON.parse(value) as Line;
    throw new Error(`${name} ${await owned.ended} before it answered; it said last: ${tail.trim() || "nothing"}`);
  };
  return { process: owned, next };
}

/** runProgram runs a helper process to its end, and answers the one line that it prints. */
export async function runProgram<Line extends ProgramLine>(
  children: ChildProcesses,
  what: { readonly source: ProgramSource; readonly job: object },
): Promise<Line> {
  const program = await startProgram(children, what);
  const grace = new AbortController();
  try {
    const line = await program.next<Line>();
    // It ends by itself; what profiles it writes then.
    const late = sleep(endGraceMs, undefined, { signal: grace.signal }).catch(() => {});
    await Promise.race([program.process.ended, late]);
    return line;
  } finally {
    grace.abort();
    await program.process.stop();
  }
}

function moduleFile(name: string): string {
  return fileURLToPath(new URL(`../programs/${name}.ts`, import.meta.url));
}
