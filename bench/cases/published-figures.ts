import type { Published } from "../support/bench-case.ts";

/** What was published earlier of ArcRun, a system in Rust that this run does not measure. */
export const arcRun = {
  creates: { name: "ArcRun", value: 1_900 },
  graphTasks: { name: "ArcRun", value: 2_800 },
  reads: { name: "ArcRun", value: 10_600 },
} as const satisfies Record<string, Published>;
