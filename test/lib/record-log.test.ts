import fc from "fast-check";
import { expect, test } from "vitest";
import { type RecordItem, RecordLog } from "../../src/lib/record-log.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.nat(5_000).map((n) => "é".repeat(n)),
);
const item: fc.Arbitrary<RecordItem> = fc.oneof(text, fc.constant(null), fc.nat(2 ** 32 - 2));

test("records are read as they were written, whatever their order and size", () => {
  fc.assert(
    fc.property(fc.array(fc.array(item, { maxLength: 8 }), { maxLength: 50 }), (records) => {
      const log = new RecordLog();
      for (const record of records) log.push(record);
      expect(log.length).toBe(records.length);
      for (const [n, record] of [...records.entries()].reverse()) {
        const reader = log.read(n);
        expect(record.map((each) => (typeof each === "number" ? reader.number() : reader.optionalText()))).toEqual(
          record,
        );
      }
    }),
  );
});

test("a record larger than a piece has one of its own, and those around it stay as they are", () => {
  const log = new RecordLog();
  const large = "漢".repeat(400_000);
  for (const each of ["before", large, "after"]) log.push([each]);
  expect([0, 1, 2].map((n) => log.read(n).text())).toEqual(["before", large, "after"]);
});

test("texts are passed over, also those that are absent", () => {
  const log = new RecordLog();
  log.push(["é", null, 7]);
  const reader = log.read(0);
  reader.skipText();
  reader.skipText();
  expect(reader.number()).toBe(7);
});
