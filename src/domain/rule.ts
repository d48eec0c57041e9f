import { canonicalJson } from "./canonical-json.ts";

/** What a rule limits; the numbers are those of the tables. */
export const RuleType = { CONCURRENCY: 1, CAPACITY: 2, RATE: 3 } as const;

/** Rule is a limit on starts. */
export interface Rule {
  readonly name: string;
  /** The first part of its key. */
  readonly kind: string;
  /** The metadata fields whose values are the rest of its key, in order. */
  readonly fields: readonly string[];
  readonly type: number;
  /** How many holders, how much remaining work, or how many starts per window. */
  readonly bound: bigint;
  /** The window of a rate; 0 for others. */
  readonly windowMs: number;
}

/** How long a key may be, in characters. */
export const ruleKeyMax = 8_192;

/** Why a rule does not go with a task: what is wrong, at a path within the rule. */
export interface RuleProblem {
  readonly path: string;
  readonly description: string;
}

/** What does not let a rule be applied to a task, or undefined: a field that its metadata lacks, or work that is not known. */
export function ruleProblem(
  rule: Rule,
  task: { readonly metadata: Readonly<Record<string, unknown>>; readonly expectedCount: bigint | null },
): RuleProblem | undefined {
  const missing = rule.fields.findIndex((field) => !Object.hasOwn(task.metadata, field));
  if (missing !== -1) {
    const name = JSON.stringify(rule.fields[missing]);
    return { path: `matcher.fields[${missing}]`, description: `the task's metadata has no field ${name}` };
  }
  if (rule.type === RuleType.CAPACITY && task.expectedCount === null)
    return { path: "max_capacity", description: "the task has no expected_count, which a rule of capacity reads" };
  const { length } = ruleKey(rule, task.metadata);
  if (length > ruleKeyMax)
    return { path: "matcher", description: `its key would have ${length} characters; at most ${ruleKeyMax}` };
  return undefined;
}

/** The key of a rule for a task that has its fields: canonical text, equal for equal kinds and values. */
export function ruleKey(rule: Rule, metadata: Readonly<Record<string, unknown>>): string {
  return canonicalJson([rule.kind, Object.fromEntries(rule.fields.map((field) => [field, metadata[field]]))]);
}
