import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** RuleChange is a call of UpdateBatchRules that changed something. */
export const RuleChange = defineEntity({
  name: "RuleChange",
  tableName: "rule_change",
  properties: {
    batchId: bigint().primary(),
    id: bigint().primary().columnType("bigint").autoincrement().generated("identity"),
    changeTime: time(),
    kind: p.text(),
    rules: p.text(),
    reason: p.text(),
    updated: p.integer(),
  },
});
