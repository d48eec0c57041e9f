import { FailureCause, TaskStatus } from "./task-status.ts";

/** Microseconds since 1970: exact in a number until the year 2255. The database's precision. */
export type Micros = number;

/** What of a task changes. */
export interface TaskState {
  readonly id: bigint;
  readonly batchId: bigint;
  readonly queue: number;
  readonly status: number;
  /** 0 until it is first claimed. */
  readonly attempt: number;
  readonly priority: number;
  readonly worker: number | null;
  readonly successCount: bigint;
  readonly failureCount: bigint;
  readonly startTime: Micros | null;
  readonly leaseUntil: Micros | null;
  readonly claimTime: Micros | null;
  readonly runTime: Micros | null;
  readonly activityTime: Micros | null;
  readonly endTime: Micros | null;
  readonly depsLeft: number;
  readonly execution: number;
  readonly createTime: Micros;
  readonly expectedCount: bigint | null;
  /** Changes with each change of what was given. */
  readonly givenVersion: string;
  /** Why the last attempt that failed did so; of a task that its parent brought down, why that was. */
  readonly cause: number | null;
  /** The parent that brought the task down. */
  readonly culprit: bigint | null;
  readonly message: string | null;
  readonly code: string | null;
  readonly details: string | null;
  readonly cancelReason: string | null;
  /** How often a call has changed it, or run it again. */
  readonly edits: number;
}

/** Tells whether the executor of an attempt that is over should stop: the task was canceled, or its last attempt timed out, to be repeated or not. */
export function isToStop(state: TaskState): boolean {
  if (state.status === TaskStatus.CANCELED) return true;
  if (state.status === TaskStatus.SUCCESS || state.status === TaskStatus.SKIPPED) return false;
  return state.cause !== null && timeouts.has(state.cause);
}

const timeouts: ReadonlySet<number> = new Set([
  FailureCause.START_TIMEOUT,
  FailureCause.INACTIVITY_TIMEOUT,
  FailureCause.EXECUTION_TIMEOUT,
  FailureCause.TOTAL_TIMEOUT,
  FailureCause.LEASE_LOST,
]);

/** A task with all that was given at its creation, its state, and what its last attempt left. JSON parts are texts. */
export interface Task extends TaskState {
  readonly key: string | null;
  readonly name: string;
  readonly parents: readonly bigint[] | null;
  readonly parentConditions: readonly number[] | null;
  readonly metadata: Record<string, unknown> | null;
  readonly input: string | null;
  readonly spec: string | null;
  readonly startTimeoutMs: number;
  readonly inactivityTimeoutMs: bigint;
  readonly executionTimeoutMs: bigint | null;
  readonly totalTimeoutMs: bigint | null;
  readonly unmetPolicy: number;
  readonly output: string | null;
  readonly progress: string | null;
}

/** What is kept of an attempt. One with a number below 1 is none: the task ended while no attempt was under way. JSON parts are texts. */
export interface AttemptRecord {
  readonly attempt: number;
  /** What it came to: SUCCESS, FAILURE or CANCELED; null while it is under way. */
  readonly status: number | null;
  readonly cause: number | null;
  readonly culprit: bigint | null;
  readonly worker: number | null;
  readonly claimTime: Micros | null;
  readonly startTime: Micros | null;
  readonly endTime: Micros | null;
  readonly message: string | null;
  readonly code: string | null;
  readonly details: string | null;
  readonly progress: string | null;
}

/** What a child learns of a parent. */
export interface Parent {
  readonly child: bigint;
  readonly id: bigint;
  readonly batchId: bigint;
  readonly key: string | null;
  readonly status: number;
  readonly output: string | null;
  /** Its output is too large to be handed out with the others. */
  readonly outputOmitted: boolean;
}

/** What an executor is handed for one attempt. */
export interface TaskAssignment {
  readonly task: Task;
  readonly parents: readonly Parent[];
  /** About how large its texts are together, outputs of parents among them. */
  readonly bytes: number;
}

/** What is known of an assignment without reading it; of `parents`, nothing may be (undefined). */
export interface KnownAssignment extends Pick<TaskAssignment, "task" | "bytes"> {
  readonly parents: TaskAssignment["parents"] | undefined;
}

/** A batch as it stands. Counters by status are in the order of `TaskStatus`: `byStatus[0]` counts WAITING. */
export interface Batch {
  readonly id: bigint;
  readonly name: string;
  readonly metadata: Record<string, unknown>;
  readonly status: number;
  readonly open: boolean;
  readonly total: number;
  readonly byStatus: readonly number[];
  readonly successCount: bigint;
  readonly failureCount: bigint;
  readonly expectedCount: bigint | null;
  readonly createTime: Micros;
  readonly endTime: Micros | null;
  readonly stopReason: string | null;
}
