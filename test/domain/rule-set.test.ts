import fc from "fast-check";
import { expect, test } from "vitest";
import { type Rule, RuleType, ruleKey, ruleKeyMax, ruleProblem } from "../../src/domain/rule.ts";
import { clearlyGoWith, ruleSetOf, valuesText, valuesTextOfJson } from "../../src/domain/rule-set.ts";

const name = fc.constantFrom("a", "b", "toString", "__proto__");
const rule: fc.Arbitrary<Rule> = fc.record({
  ...{ name: fc.constant(""), kind: fc.constantFrom("k", '"'.repeat(100), "é"), bound: fc.constant(1n) },
  ...{ fields: fc.uniqueArray(name, { maxLength: 3 }), type: fc.constantFrom(1, 2, 3), windowMs: fc.constant(0) },
});
const rules = fc.array(rule, { maxLength: 3 });
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.integer({ min: 7_900, max: ruleKeyMax }).map((length) => "v".repeat(length)),
);
/** As JSON is read: a member may have any name. */
const metadata = fc
  .array(fc.tuple(name, value), { maxLength: 4 })
  .map((members) => JSON.parse(JSON.stringify(Object.fromEntries(members))) as Record<string, unknown>);

test("rules that clearly go with a task have no problem with it, and those that have one do not", () => {
  let clear = 0;
  fc.assert(
    fc.property(rules, metadata, fc.constantFrom(null, 1n), (given, members, expectedCount) => {
      const set = ruleSetOf(given);
      const task = { metadata: members, expectedCount, values: valuesText(set.fields, members) };
      const problems = given.map((each) => ruleProblem(each, task)).filter((problem) => problem !== undefined);
      if (!clearlyGoWith(set, task)) return;
      if (given.length > 0) clear += 1;
      expect(problems).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
  expect(clear).toBeGreaterThan(50);
});

test("tasks with the same text of values have the same keys", () => {
  fc.assert(
    fc.property(rules, metadata, metadata, (given, one, other) => {
      const { fields } = ruleSetOf(given);
      const keys = (members: Record<string, unknown>) => given.map((each) => ruleKey(each, members));
      const hasAll = [one, other].every((members) => fields.every((field) => Object.hasOwn(members, field)));
      if (!hasAll || valuesText(fields, one) !== valuesText(fields, other)) return;
      expect(keys(one)).toEqual(keys(other));
    }),
    { numRuns: 2_000 },
  );
});

test("values are those of the fields that are read, whatever else there is, and none where none is read", () => {
  const [a, b] = ["a", "b"].map((field) => ({ name: "", kind: "k", fields: [field], bound: 1n, windowMs: 0 }));
  const set = ruleSetOf([
    { ...a, type: RuleType.CONCURRENCY } as Rule,
    { ...b, type: RuleType.CAPACITY } as Rule,
    { ...a, type: RuleType.RATE } as Rule,
  ]);
  expect(set).toMatchObject({ fields: ["a", "b"], readsExpectedCount: true });
  expect(valuesTextOfJson(set.fields, '{"b":{"x":1},"c":3,"a":"é"}')).toBe('["é",{"x":1}]');
  expect(valuesTextOfJson([], '{"a":1}')).toBe("");
});
