import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** SharedSpec is what several tasks of a batch were given alike, as ProtoJSON; its id is that of the first of them. */
export const SharedSpec = defineEntity({
  name: "SharedSpec",
  tableName: "shared_spec",
  properties: {
    batchId: bigint().primary(),
    id: bigint().primary().autoincrement(false),
    spec: p.text(),
  },
});
