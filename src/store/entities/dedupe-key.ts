import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** DedupeKey is a task as deduplication finds it: by a hash of what a shape compares. */
export const DedupeKey = defineEntity({
  name: "DedupeKey",
  tableName: "dedupe_key",
  properties: {
    shape: p.integer().primary(),
    hash: bigint().primary(),
    taskId: bigint().primary(),
    ended: p.boolean().default(false),
  },
  indexes: [
    {
      name: "dedupe_key_living",
      expression: "create index dedupe_key_living on dedupe_key (shape, hash, task_id) where not ended",
    },
  ],
});
