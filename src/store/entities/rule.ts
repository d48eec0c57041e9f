import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, texts } from "./column-kinds.ts";
import { Namespace } from "./namespace.ts";

/** Rule is a limit on starts; equal ones are stored once. */
export const Rule = defineEntity({
  name: "Rule",
  tableName: "rule",
  properties: {
    id: p.integer().primary().generated("identity"),
    namespaceId: p
      .manyToOne(Namespace)
      .mapToPk()
      .name("namespace_id")
      .foreignKeyName("rule_namespace_fkey")
      .updateRule("no action"),
    name: p.text(),
    kind: p.text(),
    fields: texts(),
    type: p.smallint(),
    bound: bigint(),
    windowMs: bigint().defaultRaw("0"),
    digest: p.text(),
  },
  uniques: [{ name: "rule_digest_key", properties: ["namespaceId", "digest"] }],
  checks: [
    { name: "rule_type_known", expression: "type >= 1 and type <= 3" },
    { name: "rule_bound_positive", expression: "bound >= 1" },
    { name: "rule_window", expression: "(type = 3) = (window_ms > 0)" },
  ],
});
