import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** TaskState is what of a task changes. */
export const TaskState = defineEntity({
  name: "TaskState",
  tableName: "task_state",
  properties: {
    id: bigint().primary().autoincrement(false),
    batchId: bigint(),
    startTime: time().nullable(),
    leaseUntil: time().nullable(),
    claimTime: time().nullable(),
    runTime: time().nullable(),
    activityTime: time().nullable(),
    endTime: time().nullable(),
    successCount: bigint().defaultRaw("0"),
    failureCount: bigint().defaultRaw("0"),
    inactivityTimeoutMs: bigint(),
    depsLeft: p.integer(),
    dependents: p.integer(),
    worker: p.integer().nullable(),
    queue: p.integer(),
    attempt: p.integer().default(0),
    released: p.integer().default(0),
    startTimeoutMs: p.integer(),
    status: p.smallint(),
    priorStatus: p.smallint().default(0),
    priority: p.smallint(),
    maxAttempts: p.smallint().default(1),
    execution: p.smallint(),
    unmetPolicy: p.smallint(),
    skip: p.boolean().default(false),
    grown: p.boolean().default(false),
    cascades: p.boolean().default(false),
  },
  checks: [{ name: "task_state_deps_left", expression: "deps_left >= 0" }],
});
