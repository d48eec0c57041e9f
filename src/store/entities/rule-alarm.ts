import { defineEntity } from "@mikro-orm/postgresql";
import { bigint, time } from "./column-kinds.ts";

/** RuleAlarm is when the window of a rate has room again. */
export const RuleAlarm = defineEntity({
  name: "RuleAlarm",
  tableName: "rule_alarm",
  properties: {
    due: time().primary(),
    keyId: bigint().primary(),
  },
});
