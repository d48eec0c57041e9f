import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, bigints, time } from "./column-kinds.ts";

/** Hold says who was let in together under the rules of a lane, or of many: then `lane` is 0, and `lanes` has that of each task. */
export const Hold = defineEntity({
  name: "Hold",
  tableName: "hold",
  properties: {
    lane: bigint().primary(),
    holdTime: time().primary(),
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    taskIds: bigints(),
    lanes: bigints().nullable(),
    due: time(),
  },
  indexes: [{ name: "hold_due", properties: ["due"] }],
});
