import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, numeric } from "./column-kinds.ts";

/** RuleUsage is what is taken of a key. */
export const RuleUsage = defineEntity({
  name: "RuleUsage",
  tableName: "rule_usage",
  properties: {
    keyId: bigint().primary().autoincrement(false),
    inUse: numeric().defaultRaw("0"),
  },
  checks: [{ name: "rule_usage_not_negative", expression: "in_use >= 0" }],
});
