import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** TaskAttempt is what is worth keeping of an attempt: a failure, an output, the last progress. */
export const TaskAttempt = defineEntity({
  name: "TaskAttempt",
  tableName: "task_attempt",
  properties: {
    taskId: bigint().primary(),
    attempt: p.integer().primary(),
    status: p.smallint().nullable(),
    cause: p.smallint().nullable(),
    worker: p.integer().nullable(),
    parentId: bigint().nullable(),
    startTime: time().nullable(),
    endTime: time().nullable(),
    message: p.text().nullable(),
    code: p.text().nullable(),
    details: p.text().nullable(),
    output: p.text().nullable(),
    progress: p.text().nullable(),
    claimTime: time().nullable(),
    cancelWebhook: p.text().nullable(),
  },
});
