import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type TaskReport, TaskReportSchema } from "../gen/millpond/v1/report_pb.js";
import type { Assignment } from "../gen/millpond/v1/worker_pb.js";
import { AttemptAborted, type AttemptAbortReason } from "./attempt-aborted.ts";
import { failureOf } from "./failure-of.ts";
import { NonRetryable } from "./task-error.ts";
import type { Parents, TaskContext, TaskHandler } from "./task-handler.ts";

/** Attempt is one execution of a task by this worker, from its assignment to its closing report. */
export class Attempt {
  readonly assignment: Assignment;
  readonly taskId: string;
  readonly attempt: number;
  /** By this process's monotonic clock. */
  leaseExpiresAtMs: number;
  readonly #controller = new AbortController();

  constructor(assignment: Assignment, leaseExpiresAtMs: number) {
    this.assignment = assignment;
    this.taskId = assignment.task?.taskId ?? "";
    this.attempt = assignment.attempt;
    this.leaseExpiresAtMs = leaseExpiresAtMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Tells the handler to stop. Only the first call counts. */
  abort(reason: AttemptAbortReason, message: string): void {
    this.#controller.abort(new AttemptAborted(reason, message));
  }

  /** Whether the attempt is no longer this worker's to report on. */
  get disowned(): boolean {
    const { reason } = this.signal;
    return reason instanceof AttemptAborted && reason.reason !== "worker_stopped";
  }

  /** Runs the handler to its end. Resolves with the closing report; never rejects. */
  async run(handler: TaskHandler, send: (report: TaskReport) => Promise<void>): Promise<TaskReport> {
    try {
      const result = await handler(this.assignment, this.#context(send));
      const output = outputValue(result);
      return this.report({ case: "success", value: { ...(output && { output }) } });
    } catch (error) {
      return this.report({ case: "failure", value: failureOf(error) });
    }
  }

  /** A report on this attempt. */
  report(report: NonNullable<Parameters<typeof create<typeof TaskReportSchema>>[1]>["report"]): TaskReport {
    return create(TaskReportSchema, { taskId: this.taskId, attempt: this.attempt, ...(report && { report }) });
  }

  #context(send: (report: TaskReport) => Promise<void>): TaskContext {
    const { assignment, signal } = this;
    const attempt = this;
    return {
      signal,
      get input() {
        return jsonOf(assignment.task?.input);
      },
      get parents() {
        return parentsOf(assignment);
      },
      async heartbeat(progress) {
        const value = progress === undefined ? {} : { progress: fromJson(ValueSchema, progress) };
        await send(attempt.report({ case: "heartbeat", value }));
      },
    };
  }
}

function parentsOf(assignment: Assignment): Parents {
  return Object.fromEntries(
    Object.entries(assignment.parents).map(([key, { taskId, status, output }]) => [
      key,
      { taskId, status, output: jsonOf(output) },
    ]),
  );
}

function jsonOf(value: Value | undefined): JsonValue | undefined {
  return value && toJson(ValueSchema, value);
}

/** What `JSON.stringify` makes of the result: undefined properties vanish, dates become text. */
function outputValue(result: unknown): Value | undefined {
  if (result === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(result);
  } catch (cause) {
    throw new NonRetryable(`the handler's output is no JSON: ${(cause as Error).message}`, {
      code: "OUTPUT_NOT_JSON",
      cause,
    });
  }
  if (text === undefined) {
    throw new NonRetryable(`the handler's output is no JSON: it is a ${typeof result}`, { code: "OUTPUT_NOT_JSON" });
  }
  return fromJson(ValueSchema, JSON.parse(text));
}
