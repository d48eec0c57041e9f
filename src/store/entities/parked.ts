import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** Parked is a task of a held batch that could start otherwise, with its place in ready. */
export const Parked = defineEntity({
  name: "Parked",
  tableName: "parked",
  properties: {
    batchId: bigint().primary(),
    id: bigint().primary(),
    queue: p.integer(),
    rank: p.smallint(),
    lane: bigint().nullable(),
    flow: p.integer().default(0),
  },
});
