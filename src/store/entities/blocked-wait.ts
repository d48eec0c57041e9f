import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, integers } from "./column-kinds.ts";

/** BlockedWait is how long up to a thousand tasks were blocked that have been offered together, until a server has counted it. */
export const BlockedWait = defineEntity({
  name: "BlockedWait",
  tableName: "blocked_wait",
  properties: {
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    waitsMs: integers(),
  },
});
