import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** RuleKey is what rules of one type limit. */
export const RuleKey = defineEntity({
  name: "RuleKey",
  tableName: "rule_key",
  properties: {
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    namespaceId: p.integer(),
    type: p.smallint(),
    windowMs: bigint().defaultRaw("0"),
    kind: p.text(),
    key: p.text(),
  },
  indexes: [
    {
      name: "rule_key_natural_key",
      expression: "create unique index rule_key_natural_key on rule_key (namespace_id, type, window_ms, md5(key))",
    },
  ],
});
