import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, bigints, integers, smallints, time } from "./column-kinds.ts";

/** EventTx is all events of one transaction, as arrays of equal length. */
export const EventTx = defineEntity({
  name: "EventTx",
  tableName: "event_tx",
  properties: {
    seq: bigint().primary().autoincrement(false),
    commitTime: time(),
    types: smallints(),
    batchIds: bigints(),
    taskIds: bigints(),
    fromStatuses: smallints(),
    toStatuses: smallints(),
    attempts: integers(),
    queues: integers(),
    workers: integers(),
    successCounts: bigints().nullable(),
    failureCounts: bigints().nullable(),
  },
});
