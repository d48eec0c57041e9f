import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

const states = ["waiting", "pending", "claimed", "running", "paused", "success", "failure", "canceled", "skipped"];

/** BatchState is what of a batch changes: its status, and its tasks counted by status. */
export const BatchState = defineEntity({
  name: "BatchState",
  tableName: "batch_state",
  properties: {
    batchId: bigint().primary().autoincrement(false),
    endTime: time().nullable(),
    successCount: bigint().defaultRaw("0"),
    failureCount: bigint().defaultRaw("0"),
    expectedCount: bigint().nullable(),
    total: p.integer().default(0),
    waiting: p.integer().default(0),
    pending: p.integer().default(0),
    claimed: p.integer().default(0),
    running: p.integer().default(0),
    paused: p.integer().default(0),
    success: p.integer().default(0),
    failure: p.integer().default(0),
    canceled: p.integer().default(0),
    skipped: p.integer().default(0),
    status: p.smallint().default(1),
    priorStatus: p.smallint().default(0),
    open: p.boolean(),
    onComplete: p.smallint().default(0),
    attentive: p.boolean().default(false),
    limited: p.boolean().default(false),
  },
  checks: [
    {
      name: "batch_state_counts",
      expression: `least(${states.join(", ")}) >= 0 and ${states.join(" + ")} = total`,
    },
  ],
});
