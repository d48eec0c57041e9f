import { defineEntity, p } from "@mikro-orm/postgresql";
import { Namespace } from "./namespace.ts";

/** Flow is a fairness key: those whose tasks have it take turns with others. */
export const Flow = defineEntity({
  name: "Flow",
  tableName: "flow",
  properties: {
    id: p.integer().primary().autoincrement().generated("identity"),
    namespaceId: p
      .manyToOne(Namespace)
      .mapToPk()
      .name("namespace_id")
      .foreignKeyName("flow_namespace_fkey")
      .updateRule("no action"),
    key: p.text(),
    weight: p.integer(),
  },
  indexes: [
    { name: "flow_natural_key", expression: "create unique index flow_natural_key on flow (namespace_id, md5(key))" },
  ],
  checks: [{ name: "flow_weight_range", expression: "weight >= 1 and weight <= 1000" }],
});
