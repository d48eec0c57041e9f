import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** CountProducer is how far the counts of a producer are in. */
export const CountProducer = defineEntity({
  name: "CountProducer",
  tableName: "count_producer",
  properties: {
    producerId: p.text().primary(),
    namespaceId: p.integer().primary(),
    lastSequence: bigint(),
    useTime: time(),
  },
});
