import { create } from "@bufbuild/protobuf";
import { invalidField } from "../domain/errors.ts";
import { type Rule, RuleType, ruleProblem } from "../domain/rule.ts";
import { type RuleSet, ruleSetOf } from "../domain/rule-set.ts";
import { type Rule as RuleMessage, RuleSchema } from "../gen/millpond/v1/rule_pb.ts";
import { duration, millisOf } from "./time.ts";

/** Reads a rule; the contract's own limits have been checked. `field` is its path in the request. */
export function decodeRule(message: RuleMessage, field: string): Rule {
  const { name, matcher, limit } = message;
  const common = { name, kind: matcher?.kind ?? "", fields: [...(matcher?.fields ?? [])].sort() };
  switch (limit.case) {
    case "maxConcurrency":
      return { ...common, type: RuleType.CONCURRENCY, bound: BigInt(limit.value), windowMs: 0 };
    case "maxCapacity":
      return { ...common, type: RuleType.CAPACITY, bound: limit.value, windowMs: 0 };
    case "rate": {
      const windowMs = limit.value.window === undefined ? 0 : millisOf(limit.value.window);
      if (windowMs < 1) throw invalidField(`${field}.rate.window`, "must be at least 1 millisecond");
      return { ...common, type: RuleType.RATE, bound: BigInt(limit.value.count), windowMs };
    }
    default:
      throw invalidField(field, "has no limit; give one of max_concurrency, max_capacity and rate");
  }
}

/** Reads the rules of a task; `field` is the path of the list. */
export function decodeRuleSet(messages: readonly RuleMessage[], field: string): RuleSet {
  return ruleSetOf(Object.freeze(messages.map((message, n) => decodeRule(message, `${field}[${n}]`))));
}

/** Refuses a rule that cannot be applied to a task, by its path in the request. */
export function checkRule(
  rule: Rule,
  task: { readonly metadata: Readonly<Record<string, unknown>>; readonly expectedCount: bigint | null },
  field: string,
): void {
  const problem = ruleProblem(rule, task);
  if (problem !== undefined) throw invalidField(`${field}.${problem.path}`, problem.description);
}

/** Writes a rule. */
export function encodeRule({ name, kind, fields, type, bound, windowMs }: Rule): RuleMessage {
  return create(RuleSchema, {
    ...{ name, matcher: { kind, fields: [...fields] } },
    limit:
      type === RuleType.CONCURRENCY
        ? { case: "maxConcurrency", value: Number(bound) }
        : type === RuleType.CAPACITY
          ? { case: "maxCapacity", value: bound }
          : { case: "rate", value: { count: Number(bound), window: duration(windowMs) } },
  });
}
