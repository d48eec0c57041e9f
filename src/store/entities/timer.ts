import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, bigints, integers, time } from "./column-kinds.ts";

/** Timer says when somebody has to look at some tasks again. */
export const Timer = defineEntity({
  name: "Timer",
  tableName: "timer",
  properties: {
    due: time().primary(),
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    taskIds: bigints(),
    attempts: integers(),
  },
});
