import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** Blocked is a task that may start but for its rules. */
export const Blocked = defineEntity({
  name: "Blocked",
  tableName: "blocked",
  properties: {
    lane: bigint().primary(),
    rank: p.smallint().primary(),
    id: bigint().primary(),
    batchId: bigint(),
    blockTime: time(),
  },
});
