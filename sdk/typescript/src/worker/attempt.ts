import { format } from "node:util";
import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { CountInput } from "../counter.ts";
import {
  type TaskReport,
  type TaskReport_Failure,
  TaskReport_HeartbeatSchema,
  TaskReport_SuccessSchema,
} from "../gen/millpond/v1/report_pb.js";
import type { Assignment } from "../gen/millpond/v1/worker_pb.js";
import { AttemptAborted, type AttemptAbortReason } from "./attempt-aborted.ts";
import { failureOf } from "./failure-of.ts";
import { headOf, inputOf, LazyAssignment } from "./lazy-assignment.ts";
import { NonRetryable } from "./task-error.ts";
import type { LogLevelName, Parents, TaskContext, TaskHandler } from "./task-handler.ts";

/** What a handler's attempt can tell the server while it goes on. */
export interface AttemptCalls {
  /** Sends a report that the work goes on; resolves once that is dealt with. */
  readonly heartbeat: (attempt: Attempt, report: TaskReport) => Promise<void>;
  /** Takes a line of log. */
  readonly log: (attempt: Attempt, level: LogLevelName, message: unknown) => void;
  /** Adds to the counters of its task; resolves while there is room. */
  readonly count: (attempt: Attempt, counts: CountInput) => Promise<void>;
}

/**
 * Attempt is one execution of a task by this worker, from its assignment to its closing report. What a handler may never
 * look at is made when it looks: a worker begins thousands of these a second.
 */
export class Attempt {
  readonly assignment: Assignment;
  readonly taskId: string;
  readonly kind: string;
  readonly attempt: number;
  /** By this process's monotonic clock. */
  leaseExpiresAtMs: number;
  /** Something was counted that may not be durable yet. */
  hasCounted = false;
  #aborted: AttemptAborted | undefined;
  #controller: AbortController | undefined;

  constructor(assignment: Assignment, leaseExpiresAtMs: number) {
    this.assignment = assignment;
    const { taskId, kind, attempt } = headOf(assignment);
    this.taskId = taskId;
    this.kind = kind;
    this.attempt = attempt;
    this.leaseExpiresAtMs = leaseExpiresAtMs;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /** Tells the handler to stop. Only the first call counts. */
  abort(reason: AttemptAbortReason, message: string): void {
    if (this.#aborted) return;
    this.#aborted = new AttemptAborted(reason, message);
    this.#controller?.abort(this.#aborted);
  }

  /** Whether the attempt is no longer this worker's to report on. */
  get disowned(): boolean {
    return this.#aborted !== undefined && this.#aborted.reason !== "worker_stopped";
  }

  /**
   * Runs the handler to its end and hands over the closing report: before it returns when the handler is synchronous,
   * without a promise of its own. Never throws.
   */
  run(handler: TaskHandler, calls: AttemptCalls, onEnd: (attempt: Attempt, report: TaskReport) => void): void {
    let result: unknown;
    try {
      result = handler(this.assignment, new AttemptContext(this, calls));
      if (isThenable(result)) {
        if (this.assignment instanceof LazyAssignment) this.assignment.detach();
        Promise.resolve(result).then(
          (value) => onEnd(this, this.#success(value)),
          (error) => onEnd(this, this.failure(failureOf(error))),
        );
        return;
      }
    } catch (error) {
      onEnd(this, this.failure(failureOf(error)));
      return;
    }
    onEnd(this, this.#success(result));
  }

  /** A report that the work has failed. */
  failure(value: TaskReport_Failure): TaskReport {
    return this.#report({ case: "failure", value });
  }

  /** A report that the work goes on. */
  heartbeat(progress: JsonValue | undefined): TaskReport {
    const init = progress === undefined ? {} : { progress: fromJson(ValueSchema, progress) };
    return this.#report({ case: "heartbeat", value: create(TaskReport_HeartbeatSchema, init) });
  }

  #success(result: unknown): TaskReport {
    if (result === undefined) return this.#report({ case: "success", value: successWithoutOutput });
    try {
      const output = outputValue(result);
      return this.#report({ case: "success", value: create(TaskReport_SuccessSchema, { output }) });
    } catch (error) {
      return this.failure(failureOf(error));
    }
  }

  /** Written out: `create` walks the descriptor of every message, which costs several times as much. */
  #report(report: TaskReport["report"]): TaskReport {
    const { taskId, attempt } = this;
    return { $typeName: "millpond.v1.TaskReport", taskId, attempt, report, addSuccessCount: 0n, addFailureCount: 0n };
  }
}

const successWithoutOutput = create(TaskReport_SuccessSchema);

/** What a handler sees of its attempt. Accessors of the class: own properties would have to be made for every attempt. */
class AttemptContext implements TaskContext {
  readonly #attempt: Attempt;
  readonly #calls: AttemptCalls;

  constructor(attempt: Attempt, calls: AttemptCalls) {
    this.#attempt = attempt;
    this.#calls = calls;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get input(): JsonValue | undefined {
    return jsonOf(inputOf(this.#attempt.assignment));
  }

  get parents(): Parents {
    return parentsOf(this.#attempt.assignment);
  }

  /** A function that needs no `this`: handlers take it out of the context. */
  get heartbeat(): TaskContext["heartbeat"] {
    return (progress) => {
      let report: TaskReport;
      try {
        report = this.#attempt.heartbeat(progress);
      } catch (error) {
        return Promise.reject(error);
      }
      // Not by a promise of its own: while the server is away, a handler that does not wait may call thousands of times.
      return this.#calls.heartbeat(this.#attempt, report);
    };
  }

  /** As `heartbeat`. */
  get count(): TaskContext["count"] {
    return async (counts) => this.#calls.count(this.#attempt, counts);
  }

  /** As `heartbeat`. */
  get log(): TaskContext["log"] {
    return (...line: unknown[]) => {
      const [level, message] = line;
      if (line.length > 1 && isLevel(level)) this.#calls.log(this.#attempt, level, message);
      // Without types, people write what the console takes.
      else this.#calls.log(this.#attempt, "info", line.length === 1 ? level : formatted(line));
    };
  }
}

function isLevel(value: unknown): value is LogLevelName {
  return value === "debug" || value === "info" || value === "warn" || value === "error";
}

function formatted(line: readonly unknown[]): string {
  try {
    return format(...line);
  } catch {
    return "it has no text";
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return "then" in value && typeof value.then === "function";
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
function outputValue(result: unknown): Value {
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
