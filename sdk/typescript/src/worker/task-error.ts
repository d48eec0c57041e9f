import type { JsonValue } from "@bufbuild/protobuf";

/** TaskErrorOptions says more about a failure than its message. */
export interface TaskErrorOptions {
  /** The handler's own code, which a retry policy may name as not worth retrying. */
  readonly code?: string;
  /** Anything more. */
  readonly details?: JsonValue;
  /** The delay before the next attempt, instead of the policy's. */
  readonly retryDelayMs?: number;
  readonly cause?: unknown;
}

/** TaskError is a failure that a handler throws with a code, details or a delay of its own. */
export class TaskError extends Error {
  override readonly name: string = "TaskError";
  readonly code: string;
  readonly details: JsonValue | undefined;
  readonly retryDelayMs: number | undefined;

  constructor(message: string, options: TaskErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code ?? "";
    this.details = options.details;
    this.retryDelayMs = options.retryDelayMs;
  }
}

/** NonRetryable is a failure that repeating cannot mend: the task ends, whatever its retry policy says. */
export class NonRetryable extends TaskError {
  override readonly name = "NonRetryable";
}
