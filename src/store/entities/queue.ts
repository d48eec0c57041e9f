import { defineEntity, p } from "@mikro-orm/postgresql";
import { json } from "./column-kinds.ts";
import { Namespace } from "./namespace.ts";

/** Queue is what tasks of one kind, way of execution, set of required labels and host of the start webhook wait under. Append-only. */
export const Queue = defineEntity({
  name: "Queue",
  tableName: "queue",
  properties: {
    id: p.integer().primary().generated("identity"),
    namespaceId: p
      .manyToOne(Namespace)
      .mapToPk()
      .name("namespace_id")
      .foreignKeyName("queue_namespace_fkey")
      .updateRule("no action"),
    kind: p.text(),
    execution: p.smallint(),
    labels: json().defaultRaw("'{}'"),
    host: p.text().default(""),
  },
  indexes: [
    {
      name: "queue_natural_key",
      expression:
        "create unique index queue_natural_key on queue (namespace_id, kind, execution, md5(labels::text), md5(host))",
    },
  ],
  checks: [{ name: "queue_execution_known", expression: "execution >= 1 and execution <= 3" }],
});
