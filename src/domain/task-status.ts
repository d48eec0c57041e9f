/** The life of a task: docs/states.md draws it. The numbers are those of the API and of the tables. */
export const TaskStatus = {
  WAITING: 1,
  PENDING: 2,
  CLAIMED: 3,
  RUNNING: 4,
  PAUSED: 5,
  SUCCESS: 6,
  FAILURE: 7,
  CANCELED: 8,
  SKIPPED: 9,
} as const;

/** A status of {@link TaskStatus}. */
export type TaskStatus = (typeof TaskStatus)[keyof typeof TaskStatus];

/** The names of the statuses as users see them, in metrics, statistics and messages. */
export const taskStatusNames = Object.keys(TaskStatus) as (keyof typeof TaskStatus)[];

/** Names a status; 0 is a task that does not exist yet. */
export function taskStatusName(status: number): string {
  return taskStatusNames[status - 1] ?? "UNSPECIFIED";
}

/** Tells whether a task of this status has ended. */
export function hasEnded(status: number): boolean {
  return status >= TaskStatus.SUCCESS;
}

/** The life of a batch. The numbers are those of the API and of the tables. */
export const BatchStatus = { ACTIVE: 1, PAUSED: 2, SUCCESS: 3, FAILURE: 4, CANCELED: 5 } as const;

/** Names a status of a batch; 0 is a batch that does not exist yet. */
export function batchStatusName(status: number): string {
  return Object.keys(BatchStatus)[status - 1] ?? "UNSPECIFIED";
}

/** Tells whether a batch of this status has ended. */
export function batchHasEnded(status: number): boolean {
  return status >= BatchStatus.SUCCESS;
}

/** When an edge lets its child start. The numbers are those of the API and of the tables. */
export const DependencyCondition = { SUCCESS: 1, COMPLETED: 2, FAILURE: 3 } as const;

/** How a task is executed. The numbers are those of the tables. */
export const Execution = { WORKER: 1, WEBHOOK: 2, JOIN: 3 } as const;

/** Why an attempt or a task failed. The numbers are those of the API and of the tables. */
export const FailureCause = {
  REPORTED: 1,
  START_FAILED: 2,
  START_TIMEOUT: 3,
  INACTIVITY_TIMEOUT: 4,
  EXECUTION_TIMEOUT: 5,
  TOTAL_TIMEOUT: 6,
  DEPENDENCY: 7,
  LEASE_LOST: 8,
} as const;
