import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, bigints, time } from "./column-kinds.ts";

/** Hold says who was let in together under the rules of a lane. */
export const Hold = defineEntity({
  name: "Hold",
  tableName: "hold",
  properties: {
    lane: bigint().primary(),
    holdTime: time().primary(),
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    taskIds: bigints(),
    due: time(),
  },
  indexes: [{ name: "hold_due", properties: ["due"] }],
});
