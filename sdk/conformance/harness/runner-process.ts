import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { linesOf } from "./lines.ts";

/** RunnerCommand is how the runner of a language is started. */
export interface RunnerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What an SDK failed with, as its runner tells it. */
export interface RunnerError {
  readonly type: string;
  readonly code: string;
  readonly reason: string;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly { readonly field: string; readonly description: string }[];
  readonly retryDelayMs?: number;
}

/** OpFailed is thrown for an op that was answered by an error. */
export class OpFailed extends Error {
  readonly error: RunnerError;

  constructor(op: string, error: RunnerError) {
    super(`${op}: ${[error.type, error.code, error.reason].filter(Boolean).join(" ")}: ${error.message}`);
    this.error = error;
  }
}

const endGraceMs = 20_000;

/** RunnerProcess is a runner under way, which does with its SDK what it is told. */
export class RunnerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  readonly #waiting = new Map<number, { op: string; resolve: (ok: unknown) => void; reject: (e: Error) => void }>();
  /** The last lines for people. */
  readonly #notes: string[] = [];
  /** How it ended, once it has. */
  #end: string | undefined;
  #lastId = 0;

  constructor({ program, args, env }: RunnerCommand) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    const ended = Promise.withResolvers<string>();
    this.#child.once("error", (error) => ended.resolve(`could not be started: ${error.message}`));
    this.#child.once("exit", (code, signal) => ended.resolve(`ended with ${signal ?? `code ${code}`}`));
    this.#ended = ended.promise;
    void this.#ended.then((how) => this.#failAll(how));
    // A runner that has ended is told by its exit.
    this.#child.stdin?.on("error", () => undefined);
    void this.#readAnswers();
    void this.#readNotes();
  }

  /** What it has said to people, its last 50 lines. */
  get notes(): string {
    return this.#notes.join("\n");
  }

  /** Does something with the SDK and resolves with its answer. Rejects with {@link OpFailed} when it is answered by an error, and when no answer comes within `timeoutMs`. */
  async ask(op: string, fields: object = {}, timeoutMs = 120_000): Promise<Record<string, unknown>> {
    if (this.#end !== undefined) throw new Error(`${op}: the runner ${this.#end}\n${this.notes}`);
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { op, resolve: answer.resolve, reject: answer.reject });
    this.#child.stdin?.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    const timer = setTimeout(() => answer.reject(new Error(`${op} was not answered in ${timeoutMs} ms`)), timeoutMs);
    try {
      return (await answer.promise) as Record<string, unknown>;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it as its protocol says, by the end of its input; by force after a grace. Resolves with how it ended. */
  async end(): Promise<string> {
    this.#child.stdin?.end();
    const grace = new AbortController();
    const late = sleep(endGraceMs, true, { signal: grace.signal }).catch(() => false);
    const isLate = await Promise.race([this.#ended.then(() => false), late]);
    grace.abort();
    if (isLate) this.#child.kill("SIGKILL");
    const how = await this.#ended;
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    return isLate ? `did not end within ${endGraceMs} ms of the end of its input` : how;
  }

  async #readAnswers(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout!)) this.#take(line);
  }

  async #readNotes(): Promise<void> {
    for await (const line of linesOf(this.#child.stderr!)) {
      this.#notes.push(line);
      if (this.#notes.length > 50) this.#notes.shift();
    }
  }

  #take(line: string): void {
    let answer: { id: number; ok?: unknown; error?: RunnerError };
    try {
      answer = JSON.parse(line);
    } catch {
      this.#notes.push(`(on stdout, and no JSON) ${line}`);
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    if (answer.error) waiting?.reject(new OpFailed(waiting.op, answer.error));
    else waiting?.resolve(answer.ok ?? {});
  }

  #failAll(how: string): void {
    this.#end = how;
    for (const { op, reject } of this.#waiting.values()) reject(new Error(`${op}: the runner ${how}\n${this.notes}`));
  }
}
