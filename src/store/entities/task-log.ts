import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** TaskLog is what is known of a task's log, beside its lines. */
export const TaskLog = defineEntity({
  name: "TaskLog",
  tableName: "task_log",
  properties: {
    taskId: bigint().primary().autoincrement(false),
    beginTime: time(),
    appendTime: time(),
    cutTime: time().nullable(),
    bytes: bigint().defaultRaw("0"),
    dropped: bigint().defaultRaw("0"),
    attempt: p.integer(),
    lines: p.integer().default(0),
    nextLine: p.integer().default(0),
  },
  checks: [{ name: "task_log_not_negative", expression: "least(lines, bytes, dropped) >= 0" }],
});
