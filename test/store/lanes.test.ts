import fc from "fast-check";
import { expect, test } from "vitest";
import type { Rule } from "../../src/domain/rule.ts";
import { fieldsOf, valuesTextOfJson } from "../../src/domain/rule-set.ts";
import type { Statement } from "../../src/store/database.ts";
import { type LaneRequest, Lanes } from "../../src/store/lanes.ts";

/** The three dictionaries as the database has them: a number for what is new, by what makes it different. */
function dictionaries() {
  const numbers = new Map<string, bigint>();
  const written: string[] = [];
  const write = async <Row>({ name }: Statement, [namespace, ...columns]: readonly unknown[]): Promise<Row[]> => {
    written.push(name);
    const lists = columns as readonly (readonly unknown[])[];
    const own = name === "add_rules" ? lists.slice(-1) : lists;
    const ids = (own[0] as readonly unknown[]).map((_, n) => {
      const text = `${name} ${namespace} ${own.map((column) => column[n]).join(" ")}`;
      const id = numbers.get(text) ?? BigInt(numbers.size + 1);
      numbers.set(text, id);
      return name === "add_rules" ? Number(id) : id;
    });
    return [{ ids } as Row];
  };
  return { db: { write }, written };
}

const name = fc.constantFrom("a", "b", "toString");
const rule: fc.Arbitrary<Rule> = fc.record({
  ...{ name: fc.constantFrom("", "n"), kind: fc.constantFrom("k", "l"), type: fc.constantFrom(1, 2, 3) },
  fields: fc.uniqueArray(name, { maxLength: 3 }).map((fields) => fields.sort()),
  ...{ bound: fc.constantFrom(1n, 2n, 2n ** 62n), windowMs: fc.constantFrom(0, 1000) },
});
const value = fc.constantFrom<unknown>("x", "y", 1, null, { a: 1, b: 2 }, { b: 2, a: 1 }, "z".repeat(3_000));
const metadata = fc.record({ a: value, b: value, toString: value }).map((members) => JSON.stringify(members));

/** Requests of which many have the very same list of rules. */
const requests: fc.Arbitrary<LaneRequest[]> = fc
  .array(fc.array(rule, { maxLength: 3 }), { minLength: 1, maxLength: 3 })
  .chain((lists) =>
    fc.array(
      fc.record({
        ...{
          queue: fc.constantFrom(1, 2),
          flow: fc.constantFrom(null, 1),
          rules: fc.constantFrom(...lists),
          metadata,
          isKnown: fc.boolean(),
        },
      }),
      { maxLength: 12 },
    ),
  )
  .map((all) =>
    all.map(({ isKnown, ...request }) => ({
      ...request,
      ...(isKnown && { ruleValues: valuesTextOfJson(fieldsOf(request.rules), request.metadata) }),
    })),
  );

test("the lane of a task is the same, whether it was asked for before, with others or alone", async () => {
  await fc.assert(
    fc.asyncProperty(requests, requests, fc.constantFrom(1, 2), async (first, second, namespace) => {
      const { db } = dictionaries();
      const lanes = new Lanes(db);
      await lanes.intern(namespace, first);
      for (const wanted of [second, first]) {
        const answer = await lanes.intern(namespace, wanted);
        expect(answer).toHaveLength(wanted.length);
        for (const [n, { queue, flow, rules, metadata: text }] of wanted.entries()) {
          // As by a server that knows nothing yet, of lists that nobody else has.
          const [alone] = await new Lanes(db).intern(namespace, [{ queue, flow, rules: [...rules], metadata: text }]);
          expect(answer[n]).toBe(alone);
          expect(answer[n] === null).toBe(rules.length === 0);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test("namespaces share no lane", async () => {
  const { db } = dictionaries();
  const lanes = new Lanes(db);
  const rules: Rule[] = [{ name: "", kind: "k", fields: [], type: 1, bound: 1n, windowMs: 0 }];
  const wanted = [{ queue: 1, flow: null, rules, metadata: null }];
  const [one, two] = [await lanes.intern(1, wanted), await lanes.intern(2, wanted)];
  expect(one).not.toEqual(two);
  expect(await lanes.intern(1, wanted)).toEqual(one);
});

test("lanes that are known are not asked for, also by lists of rules that are only equal", async () => {
  const { db, written } = dictionaries();
  const lanes = new Lanes(db);
  const rules = (): Rule[] => [{ name: "", kind: "k", fields: ["a"], type: 1, bound: 1n, windowMs: 0 }];
  const wanted = (other: number) => [
    { queue: 1, flow: null, rules: rules(), metadata: `{"a":"x","other":${other}}` },
    { queue: 1, flow: null, rules: rules(), metadata: `{"other":${other},"a":"x"}` },
  ];
  const [first] = await lanes.intern(1, wanted(1));
  expect(written).toEqual(["add_rules", "add_rule_keys", "add_lanes"]);
  expect(await lanes.intern(1, wanted(2))).toEqual([first, first]);
  expect(written).toHaveLength(3);
});
