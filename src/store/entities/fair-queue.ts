import { defineEntity, p } from "@mikro-orm/postgresql";

/** FairQueue is a queue in which tasks have had a fairness key. */
export const FairQueue = defineEntity({
  name: "FairQueue",
  tableName: "fair_queue",
  properties: { queue: p.integer().primary().autoincrement(false) },
});
