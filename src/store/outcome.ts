/** What is to happen once a change is committed: queues that have something to start, and what the change has left to be done. */
export interface Outcome {
  readonly readyQueues: readonly number[];
  readonly followUps: readonly bigint[];
}

/** The part of a database function's answer that {@link outcomeOf} reads. */
export interface OutcomeRow {
  o_ready: number[] | null;
  o_follow_ups?: bigint[] | null;
}

/** Reads what is to happen; nothing where the answer is an earlier one. */
export function outcomeOf(row: OutcomeRow | undefined): Outcome {
  return { readyQueues: row?.o_ready ?? [], followUps: row?.o_follow_ups ?? [] };
}
