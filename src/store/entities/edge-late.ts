import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** EdgeLate is an edge onto a task that existed before its child. */
export const EdgeLate = defineEntity({
  name: "EdgeLate",
  tableName: "edge_late",
  properties: {
    parent: bigint().primary(),
    child: bigint().primary(),
    condition: p.smallint(),
  },
});
