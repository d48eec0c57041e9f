import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { fileURLToPath } from "node:url";

const cliFile = fileURLToPath(new URL("../../../src/cli.ts", import.meta.url));

/** A run of the command line in a process of its own. */
export interface MillpondProcess {
  /** What it has written so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
  /** Writes to standard input, where that was left open. */
  write(text: string): void;
  /** Closes standard input. */
  end(): void;
  /** Resolves with the match once what it has written to stdout, or to the stream named, matches. */
  waitFor(pattern: RegExp, stream?: "stdout" | "stderr"): Promise<RegExpExecArray>;
}

/** startMillpond runs `millpond` with these arguments; variables that are undefined are not passed on. Standard input is what is given, or stays open. */
export function startMillpond(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
  stdin: string | { readonly isOpen: true } = "",
): MillpondProcess {
  return startProgram([process.execPath, cliFile, ...args], env, stdin);
}

/** startProgram runs another program as {@link startMillpond} runs `millpond`. */
export function startProgram(
  [program, ...args]: readonly [string, ...string[]],
  env: Record<string, string | undefined> = {},
  stdin: string | { readonly isOpen: true } = "",
): MillpondProcess {
  const inherited = {
    ...process.env,
    DATABASE_URL: undefined,
    NODE_OPTIONS: undefined,
    MILLPOND_ADDRESS: undefined,
    MILLPOND_TOKEN: undefined,
    npm_lifecycle_event: undefined,
  };
  const child = spawn(program, args, {
    env: { ...inherited, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A command that ends without reading it is no failure of the test.
  child.stdin.on("error", () => undefined);
  if (typeof stdin === "string") child.stdin.end(stdin);
  const changed = new EventEmitter();
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output.stdout += text;
    changed.emit("change");
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output.stderr += text;
    changed.emit("change");
  });
  const { promise: exit, resolve, reject } = Promise.withResolvers<number | NodeJS.Signals>();
  child.once("error", reject);
  child.once("close", (code, signal) => {
    resolve(signal ?? code ?? -1);
    changed.emit("change");
  });
  return {
    output,
    exit,
    kill: (signal) => child.kill(signal),
    write: (text) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    waitFor: async (pattern, stream = "stdout") => {
      const deadline = AbortSignal.timeout(50_000);
      for (;;) {
        const match = pattern.exec(output[stream]);
        if (match) return match;
        if (child.exitCode !== null || child.signalCode !== null || deadline.aborted) {
          throw new Error(`no ${pattern} in:\n${output.stdout}\n${output.stderr}`);
        }
        await once(changed, "change", { signal: deadline }).catch(() => undefined);
      }
    },
  };
}

/** runMillpond runs `millpond` with these arguments to its end. */
export async function runMillpond(args: readonly string[], env: Record<string, string | undefined> = {}, stdin = "") {
  const { exit, output } = startMillpond(args, env, stdin);
  return { code: await exit, ...output };
}
