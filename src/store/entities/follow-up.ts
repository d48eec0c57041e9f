import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, bigints } from "./column-kinds.ts";

/** FollowUp is what a change has left to be done by a transaction of its own. */
export const FollowUp = defineEntity({
  name: "FollowUp",
  tableName: "follow_up",
  properties: {
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    kind: p.smallint(),
    taskIds: bigints(),
  },
  checks: [{ name: "follow_up_kind_known", expression: "kind >= 1 and kind <= 2" }],
});
