import { type JsonValue, toJsonString } from "@bufbuild/protobuf";
import {
  type Assignment,
  AssignmentSchema,
  AttemptAborted,
  createWorker,
  NonRetryable,
  type Task,
  type TaskContext,
  TaskError,
  type TaskWorker,
} from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { findProgram } from "./find-program.ts";
import { outputBytesMax, type ProgramEnd, runProgram } from "./run-program.ts";
import { WorkerReporter } from "./worker-reporter.ts";

interface Options extends ConnectionOptions {
  readonly kind: readonly string[];
  readonly slots: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly name?: string;
  readonly stdin: "input" | "assignment";
  /** In milliseconds, as `grace`. */
  readonly killAfter: number;
  readonly grace: number;
}

/** When the worker ends, the library waits so long for what it aborted: programs must be gone before. */
const killAfterAtEndMs = 3_000;
const messageOf: Readonly<Record<AttemptAborted["reason"], string>> = {
  cancel_requested: "canceled",
  lease_lost: "lost",
  worker_stopped: "stopped",
};

/** runWorker is what `millpond worker` does. */
export async function runWorker([name = "", ...args]: readonly string[], options: Options): Promise<void> {
  const program = await findProgram(name, process.env.PATH ?? "");
  await withServer(
    options,
    async (session) => {
      const reporter = new WorkerReporter(session);
      const worker = openWorker(session, options);
      for (const kind of options.kind) {
        worker.handle(kind, (assignment, context) =>
          execute({ program, name, args, options, address: session.client.address, reporter }, assignment, context),
        );
      }
      const onStop = () => {
        reporter.stopping(worker.running);
        void worker.stop();
      };
      session.signal.addEventListener("abort", onStop, { once: true });
      worker.start();
      reporter.started(worker.workerId, options.kind);
      if (session.signal.aborted) onStop();
      await worker.done;
    },
    { finishesOnSignal: true },
  );
}

function openWorker({ client, onTrouble }: Session, { slots, label, name, grace }: Options): TaskWorker {
  try {
    return createWorker({ client, slots, workerId: name, labels: label ?? {}, stopGraceMs: grace, onError: onTrouble });
  } catch (error) {
    throw new CommandFailure((error as Error).message, exitCodes.misuse);
  }
}

interface Execution {
  readonly program: string;
  /** As the user named it. */
  readonly name: string;
  readonly args: readonly string[];
  readonly options: Options;
  readonly address: string;
  readonly reporter: WorkerReporter;
}

/** Runs the program for one attempt: what it answers is the task's output, what it throws the failure. */
async function execute(execution: Execution, assignment: Assignment, context: TaskContext): Promise<unknown> {
  const { program, args, options, reporter } = execution;
  const { signal, log, input } = context;
  const { task, attempt } = assignment;
  if (!task) throw new NonRetryable("the server assigned no task");
  const stdin = options.stdin === "input" ? JSON.stringify(input ?? null) : toJsonString(AssignmentSchema, assignment);
  const run = reporter.begin(task, attempt);
  try {
    const end = await runProgram({
      ...{ program, args, signal, stdin: `${stdin}\n` },
      env: { ...process.env, ...variables(task, attempt, execution.address) },
      killAfterMs: () => killAfterMs(signal, options.killAfter),
      onLine: (line) => log("info", line),
    }).catch((error: Error) => {
      throw new TaskError(`${execution.name} could not be started: ${error.message}`, { code: "NOT_STARTED" });
    });
    signal.throwIfAborted();
    const output = outputOf(end, execution.name);
    run.succeeded();
    return output;
  } catch (error) {
    if (error instanceof AttemptAborted) run.aborted(messageOf[error.reason]);
    else run.failed(error as TaskError);
    throw error;
  }
}

function killAfterMs({ reason }: AbortSignal, ms: number): number {
  const ends = reason instanceof AttemptAborted && reason.reason === "worker_stopped";
  return ends ? Math.min(ms, killAfterAtEndMs) : ms;
}

function variables(task: Task, attempt: number, address: string): Record<string, string> {
  return {
    MILLPOND_TASK_ID: task.taskId,
    MILLPOND_TASK_KEY: task.key,
    MILLPOND_BATCH_ID: task.batchId,
    MILLPOND_KIND: task.kind,
    MILLPOND_ATTEMPT: String(attempt),
    MILLPOND_ADDRESS: address,
  };
}

/** What a program that succeeded produced; throws the failure of one that did not. */
function outputOf(end: ProgramEnd, name: string): JsonValue | undefined {
  const { exitCode, signalName, stdout, lastLines, isOutputTooLarge } = end;
  if (isOutputTooLarge) {
    throw new NonRetryable(
      `${name} wrote more than ${outputBytesMax} bytes to standard output; let it write to a file, and print where`,
      {
        code: "OUTPUT_TOO_LARGE",
      },
    );
  }
  if (exitCode !== 0) {
    const code = signalName ?? `EXIT_${exitCode}`;
    const how = signalName ? `was ended by ${signalName}` : `ended with exit code ${exitCode}`;
    throw new TaskError(lastLines || `${name} ${how}, without a word on standard error`, { code });
  }
  if (stdout.trim() === "") return undefined;
  try {
    return JSON.parse(stdout);
  } catch {
    // Then it is text.
    return stdout.replace(/\r?\n$/, "");
  }
}
