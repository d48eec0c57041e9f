import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** Ready is a task that may start now and has not been taken; `rank` is its priority, negated. */
export const Ready = defineEntity({
  name: "Ready",
  tableName: "ready",
  properties: {
    queue: p.integer().primary(),
    rank: p.smallint().primary(),
    flow: p.integer().primary().default(0),
    id: bigint().primary(),
    lane: bigint().nullable(),
  },
  indexes: [
    { name: "ready_lane", expression: "create index ready_lane on ready (lane, rank, id) where lane is not null" },
  ],
});
