import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, bigints, json, smallints, time } from "./column-kinds.ts";

/** Task is what of a task hardly ever changes. Null conditions: every one of them SUCCESS. */
export const Task = defineEntity({
  name: "Task",
  tableName: "task",
  properties: {
    id: bigint().primary().autoincrement(false),
    batchId: bigint(),
    openBatchId: bigint().nullable(),
    createTime: time(),
    expectedCount: bigint().nullable(),
    namespaceId: p.integer(),
    queue: p.integer(),
    key: p.text().nullable(),
    name: p.text(),
    parents: bigints().nullable(),
    parentConditions: smallints().nullable(),
    children: bigints().nullable(),
    childConditions: smallints().nullable(),
    metadata: json().nullable(),
    input: p.text().nullable(),
    spec: p.text().nullable(),
    specId: bigint().nullable(),
  },
  indexes: [{ name: "task_batch", properties: ["batchId", "id"] }],
  uniques: [
    {
      name: "task_open_batch_key",
      properties: ["openBatchId", "key"],
      where: "open_batch_id is not null and key is not null",
    },
  ],
});
