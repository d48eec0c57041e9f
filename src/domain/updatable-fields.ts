import type { Rule } from "./rule.ts";

/** The fields of a task that UpdateTask may change, and the bits by which the tables name them. */
export const updatableFields = {
  priority: 1,
  metadata: 2,
  expected_count: 4,
  start_timeout: 8,
  inactivity_timeout: 16,
  execution_timeout: 32,
  total_timeout: 64,
  rules: 128,
} as const;

/** A field of {@link updatableFields}. */
export type UpdatableField = keyof typeof updatableFields;

/** All of a task that UpdateTask may change, as it is to be. JSON parts are texts. */
export interface EditableTask {
  readonly priority: number;
  readonly metadata: string | null;
  readonly expectedCount: bigint | null;
  readonly startTimeoutMs: number;
  readonly inactivityTimeoutMs: number;
  readonly executionTimeoutMs: number | null;
  readonly totalTimeoutMs: number | null;
  readonly spec: string | null;
  /** Each goes with its metadata and expected_count. */
  readonly rules: readonly Rule[];
}
