import { defineEntity } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** PausedBatch is a batch that is held. */
export const PausedBatch = defineEntity({
  name: "PausedBatch",
  tableName: "paused_batch",
  properties: { batchId: bigint().primary().autoincrement(false) },
});
