import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** BatchQueue says which queues, and so which kinds, a batch has tasks of. */
export const BatchQueue = defineEntity({
  name: "BatchQueue",
  tableName: "batch_queue",
  properties: {
    queue: p.integer().primary(),
    batchId: bigint().primary(),
  },
});
