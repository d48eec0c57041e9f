import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, smallints, texts, time, times } from "./column-kinds.ts";

/** LogPart is the lines that one call has appended to the log of an attempt. */
export const LogPart = defineEntity({
  name: "LogPart",
  tableName: "log_part",
  properties: {
    taskId: bigint().primary(),
    appendTime: time(),
    dropped: bigint().nullable(),
    attempt: p.integer().primary(),
    firstLine: p.integer().primary(),
    lines: p.integer(),
    bytes: p.integer(),
    times: times().nullable(),
    levels: smallints(),
    messages: texts(),
  },
});
