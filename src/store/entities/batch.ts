import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, json, time } from "./column-kinds.ts";

/** Batch is what of a batch hardly ever changes. */
export const Batch = defineEntity({
  name: "Batch",
  tableName: "batch",
  properties: {
    id: bigint().primary().autoincrement(false),
    namespaceId: p.integer(),
    createTime: time(),
    name: p.text(),
    metadata: json(),
    stopReason: p.text().nullable(),
    onComplete: p.text().nullable(),
  },
});
