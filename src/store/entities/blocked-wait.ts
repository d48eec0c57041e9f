import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, integers } from "./column-kinds.ts";

/** BlockedWait is how long tasks were blocked that rules have let go on in one transaction, until a server has counted it. */
export const BlockedWait = defineEntity({
  name: "BlockedWait",
  tableName: "blocked_wait",
  properties: {
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    waitsMs: integers(),
  },
});
