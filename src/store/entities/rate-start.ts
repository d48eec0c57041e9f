import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** RateStart is a number of starts under a rate, as long as its window holds them. */
export const RateStart = defineEntity({
  name: "RateStart",
  tableName: "rate_start",
  properties: {
    keyId: bigint().primary(),
    startTime: time().primary(),
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    starts: p.integer(),
  },
});
