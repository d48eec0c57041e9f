import { invalidField } from "../domain/errors.ts";
import type { NewTask } from "../domain/new-task.ts";
import { clearlyGoWith, valuesText } from "../domain/rule-set.ts";
import type { NewTask as NewTaskMessage } from "../gen/millpond/v1/task_pb.ts";
import { ReadNewTask } from "./read-new-task.ts";
import { checkRule, decodeRuleSet } from "./rule.ts";

const noRules: Pick<NewTask, "rules" | "ruleValues"> = { rules: [], ruleValues: undefined };

/** Reads the rules of a new task, and refuses what does not go with it; `field` is its path in the request. */
export function decodeTaskRules(
  message: NewTaskMessage,
  field: string,
  metadata: string | null,
): Pick<NewTask, "rules" | "ruleValues"> {
  if (message.rules.length === 0) return noRules;
  if (message.execution.case === "join")
    throw invalidField(`${field}.rules`, "a join does no work and takes no slot; leave them out");
  const read = message instanceof ReadNewTask ? message.readRules : undefined;
  const set = read?.decoded(`${field}.rules`) ?? decodeRuleSet(message.rules, `${field}.rules`);
  // Only where a rule reads it: metadata may be large.
  const members = metadata === null || set.fields.length === 0 ? {} : (JSON.parse(metadata) as Record<string, unknown>);
  const values = valuesText(set.fields, members);
  const task = { metadata: members, expectedCount: message.expectedCount ?? null, values };
  if (!clearlyGoWith(set, task)) {
    for (const [n, rule] of set.rules.entries()) checkRule(rule, task, `${field}.rules[${n}]`);
  }
  return { rules: set.rules, ruleValues: values };
}
