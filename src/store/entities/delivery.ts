import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** Delivery is a webhook call to be made at least once. */
export const Delivery = defineEntity({
  name: "Delivery",
  tableName: "delivery",
  properties: {
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    batchId: bigint(),
    taskId: bigint(),
    namespaceId: p.integer(),
    trigger: p.smallint(),
    position: p.smallint(),
    attempt: p.integer(),
    state: p.smallint().default(1),
    fence: p.integer().default(0),
    attemptCount: p.integer().default(0),
    lastStatusCode: p.integer().default(0),
    due: time(),
    createTime: time(),
    lastAttemptTime: time().nullable(),
    deliverTime: time().nullable(),
    webhook: p.text().nullable(),
    lastError: p.text().nullable(),
    host: p.text().default(""),
  },
  indexes: [
    { name: "delivery_due", expression: "create index delivery_due on delivery (host, due) where state = 1" },
    {
      name: "delivery_exhausted",
      expression: "create index delivery_exhausted on delivery (host, id) where state = 3",
    },
    { name: "delivery_task", properties: ["taskId", "id"] },
    { name: "delivery_batch", properties: ["batchId", "id"] },
  ],
  checks: [
    { name: "delivery_trigger_known", expression: "trigger >= 1 and trigger <= 5" },
    { name: "delivery_state_known", expression: "state >= 1 and state <= 3" },
  ],
});
