import type { Micros } from "./task.ts";

/** Whether a worker takes tasks. The numbers are those of the API and of the tables. */
export const WorkerState = { ACTIVE: 1, DRAINING: 2 } as const;

/** What a worker says of itself. */
export interface WorkerProfile {
  readonly kinds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number;
}

/** A worker that is connected, or has asked for tasks lately. */
export interface PresentWorker extends WorkerProfile {
  readonly name: string;
  readonly state: number;
  readonly connectTime: Micros;
  readonly heartbeatTime: Micros;
}

/** An attempt that a worker has. */
export interface HeldAttempt {
  readonly id: bigint;
  readonly batchId: bigint;
  readonly queue: number;
  readonly attempt: number;
  readonly runTime: Micros | null;
  readonly leaseUntil: Micros | null;
}
