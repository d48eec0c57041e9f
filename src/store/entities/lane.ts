import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, bigints, integers, smallints } from "./column-kinds.ts";

/** Lane is what tasks of one queue with the same rules and keys have in common. */
export const Lane = defineEntity({
  name: "Lane",
  tableName: "lane",
  properties: {
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    namespaceId: p.integer(),
    queue: p.integer(),
    rules: integers(),
    keys: bigints(),
    types: smallints(),
    bounds: bigints(),
    windows: bigints(),
    hasCapacity: p.boolean(),
    digest: p.text(),
    flow: p.integer().default(0),
  },
  uniques: [{ name: "lane_digest_key", properties: ["digest"] }],
});
