import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** Holder is a task that holds the slots of a lane. */
export const Holder = defineEntity({
  name: "Holder",
  tableName: "holder",
  properties: {
    taskId: bigint().primary().autoincrement(false),
    lane: bigint(),
    amount: bigint(),
    holdTime: time(),
  },
  indexes: [{ name: "holder_lane", properties: ["lane", "holdTime", "taskId"] }],
});
