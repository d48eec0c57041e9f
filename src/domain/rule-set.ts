import { type Rule, RuleType, ruleKey, ruleKeyMax } from "./rule.ts";

/** RuleSet is the rules of a task with what they read of it: the same for all tasks with these rules. */
export interface RuleSet {
  readonly rules: readonly Rule[];
  /** The metadata fields that they read, each once. */
  readonly fields: readonly string[];
  readonly readsExpectedCount: boolean;
  /** How long the longest key is beside the values in it, in characters. */
  readonly keyLength: number;
}

/** Says what some rules read. */
export function ruleSetOf(rules: readonly Rule[]): RuleSet {
  return {
    rules,
    fields: fieldsOf(rules),
    readsExpectedCount: rules.some((rule) => rule.type === RuleType.CAPACITY),
    keyLength: Math.max(0, ...rules.map((rule) => ruleKey(rule, {}).length)),
  };
}

/** The metadata fields that some rules read, each once. */
export function fieldsOf(rules: readonly Rule[]): string[] {
  return [...new Set(rules.flatMap((rule) => rule.fields))];
}

/** Whether rules go with a task for certain, of which {@link valuesText} is given; false: `ruleProblem` has to say of each. */
export function clearlyGoWith(
  { fields, readsExpectedCount, keyLength }: RuleSet,
  task: {
    readonly metadata: Readonly<Record<string, unknown>>;
    readonly expectedCount: bigint | null;
    readonly values: string;
  },
): boolean {
  for (const field of fields) if (!Object.hasOwn(task.metadata, field)) return false;
  return !(readsExpectedCount && task.expectedCount === null) && keyLength + task.values.length <= ruleKeyMax;
}

/** The values of some metadata fields as text: tasks with the same rules and the same text have the same keys. */
export function valuesText(fields: readonly string[], metadata: Readonly<Record<string, unknown>>): string {
  return fields.length === 0 ? "" : JSON.stringify(fields.map((field) => metadata[field]));
}

/** {@link valuesText} of metadata as JSON, which is read only where a field of it is asked for. */
export function valuesTextOfJson(fields: readonly string[], metadata: string | null): string {
  if (fields.length === 0) return "";
  return valuesText(fields, metadata === null ? {} : (JSON.parse(metadata) as Record<string, unknown>));
}
