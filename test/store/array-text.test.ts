import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { arrayText } from "../../src/store/array-text.ts";
import { createEmptyDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createEmptyDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database[Symbol.asyncDispose]();
});

/** What the database reads an array as: each element's own text. */
async function read(items: readonly unknown[], type = "text"): Promise<unknown> {
  const { rows } = await client.query<{ items: string }>(
    `select coalesce(json_agg(x::text order by n), '[]')::text items from unnest($1::${type}[]) with ordinality y(x, n)`,
    [arrayText(items)],
  );
  return JSON.parse(rows[0]?.items ?? "");
}

test("strings are read as they were, whatever is in them", async () => {
  const texts = [
    ...["", " ", "NULL", "null", "a,b", "{}", "{a}", '"', '""', "\\", '\\"', "\\\\", "é\u{1F600}漢", "'", "a\nb\tc\r"],
    ...["\\x00", "$1", '{"a":"b\\"c"}', "  padded  ", "\u2028"],
  ];
  expect(await read(texts)).toEqual(texts);
  for (const text of texts) expect(await read([text])).toEqual([text]);
});

test("any strings and nulls are read as they were", async () => {
  const text = fc.string({ unit: "binary" }).filter((each) => !each.includes("\0"));
  const special = fc.string({ unit: fc.constantFrom('"', "\\", ",", "{", "}", " ", "N", "'", "\n") });
  const item = fc.oneof(text, special, fc.constant("NULL"), fc.constant(null));
  await fc.assert(
    fc.asyncProperty(fc.array(item), async (items) => {
      expect(await read(items)).toEqual(items);
    }),
  );
});

test("elements that are the same as the one before are read as they were", async () => {
  const item = fc.constantFrom('{"a":1}', "a", "NULL", "", null, undefined);
  await fc.assert(
    fc.asyncProperty(fc.array(item, { maxLength: 20 }), async (items) => {
      expect(await read(items)).toEqual(items.map((each) => each ?? null));
    }),
  );
  const long = Array.from({ length: 2_500 }, (_, n) => (n % 1_250 === 1_000 ? '"' : "\\"));
  expect(await read(long)).toEqual(long);
});

test("no elements, and elements that are not there", async () => {
  expect([arrayText([]), arrayText([null, undefined])]).toEqual(["{}", "{NULL,NULL}"]);
  expect([await read([]), await read([null, "NULL", undefined])]).toEqual([[], [null, "NULL", null]]);
});

test("numbers, truth values and bytes are read as they were", async () => {
  expect(await read([0, -5, 2_147_483_647, null], "integer")).toEqual(["0", "-5", "2147483647", null]);
  const most = 2n ** 63n - 1n;
  expect(await read([most, -most - 1n, 0n], "bigint")).toEqual([`${most}`, `${-most - 1n}`, "0"]);
  expect(await read([true, false, null], "boolean")).toEqual(["true", "false", null]);
  expect(await read([Buffer.from([0, 255, 92, 34]), Buffer.alloc(0), null], "bytea")).toEqual([
    ...["\\x00ff5c22", "\\x", null],
  ]);
});

test("what no column could hold is refused", () => {
  expect(() => arrayText([{}])).toThrow(/cannot hold \[object Object\]/);
  expect(() => arrayText(["a", ["b"]])).toThrow(/cannot hold \[object Array\]/);
});
