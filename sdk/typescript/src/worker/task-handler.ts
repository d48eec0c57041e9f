import type { JsonValue } from "@bufbuild/protobuf";
import type { CountInput } from "../counter.ts";
import type { TaskStatus } from "../gen/millpond/v1/task_pb.js";
import type { Assignment } from "../gen/millpond/v1/worker_pb.js";

/** Parents holds how each parent ended and what it produced: by key, or by task id for a parent without one. */
export type Parents = Readonly<
  Record<string, { readonly taskId: string; readonly status: TaskStatus; readonly output: JsonValue | undefined }>
>;

/** How important a line of log is. */
export type LogLevelName = "debug" | "info" | "warn" | "error";

/**
 * TaskContext is what a handler gets beside its assignment. Its members are made when they are read: take out of it what
 * is needed (`{ signal, input }`); a copy by spread is empty.
 */
export interface TaskContext {
  /** Aborted when the handler should stop; the reason is an `AttemptAborted`. */
  readonly signal: AbortSignal;
  /** The task's input as plain JSON. */
  readonly input: JsonValue | undefined;
  /** What the task's parents produced. */
  readonly parents: Parents;
  /**
   * Tells the server that the work goes on, and how far it is. Not needed to keep the lease: the worker extends it.
   * Resolves once the server has answered; never rejects: what went wrong goes to `onError`. What is told while an earlier one still waits to be sent goes with it: the last progress counts.
   */
  heartbeat(progress?: JsonValue): Promise<void>;
  /**
   * Adds a line to the log of the attempt, of level `info` unless another one is named. It returns at once and never throws: lines are sent
   * together, the last ones before the attempt is reported. What is no text is shown as the console shows it.
   */
  log(message: unknown): void;
  log(level: LogLevelName, message: unknown): void;
  /**
   * Adds to the task's counters, each count once, whatever connection breaks. Resolves at once while there is room, otherwise when there is; the
   * closing report waits until all of it is durable. What is refused goes to `onError`.
   *
   * @throws RangeError for what is no whole number or negative.
   */
  count(counts: CountInput): Promise<void>;
}

/** TaskHandler does the work of one attempt. What it returns is the task's output, as JSON; what it throws, its failure. */
export type TaskHandler = (assignment: Assignment, context: TaskContext) => unknown;
