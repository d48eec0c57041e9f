import { create, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema, timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { formatCursor, parseCursor, rangesOf } from "../../src/events/cursor.ts";
import { formatMicros, parseMicros } from "../../src/store/pg-types.ts";
import { structText, valueText } from "../../src/wire/json.ts";
import { decodePage, encodePageToken } from "../../src/wire/page-token.ts";
import { duration, microsOf, millisOf, nonZero, timestamp } from "../../src/wire/time.ts";

const bounds = { field: "f", bytesMax: 1000 };
const value = (json: JsonValue) => fromJson(ValueSchema, json);

function refusal(act: () => unknown): MillpondError {
  try {
    act();
  } catch (error) {
    if (error instanceof MillpondError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

describe("JSON of a request", () => {
  test("is written as text that means the same", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (json) => {
        const text = valueText(value(JSON.parse(json)), { field: "f", bytesMax: 1_000_000 });
        // JSON has a zero below zero, which JavaScript writes without its sign.
        expect(JSON.stringify(JSON.parse(text ?? ""))).toBe(JSON.stringify(JSON.parse(json)));
      }),
    );
    expect(valueText(undefined, bounds)).toBeNull();
    expect(valueText(create(ValueSchema), bounds)).toBeNull();
    expect(structText(undefined, bounds)).toBeNull();
  });

  test("is bounded by its bytes, not by its characters", () => {
    expect(valueText(value("é".repeat(499)), bounds)).toHaveLength(501);
    expect(refusal(() => valueText(value("é".repeat(500)), bounds)).message).toContain("1002 bytes");
    expect(refusal(() => structText({ a: "x".repeat(1000) }, bounds)).reason).toBe("INVALID_FIELD");
  });

  test("is nested thirty deep at most, so that every client can read the answers that wrap it", () => {
    const nested = (depth: number, wrap: (json: JsonValue) => JsonValue): JsonValue => {
      let json: JsonValue = 1;
      for (let n = 0; n < depth; n += 1) json = wrap(json);
      return json;
    };
    for (const wrap of [(json: JsonValue) => [json], (json: JsonValue) => ({ a: json })]) {
      expect(valueText(value(nested(30, wrap)), bounds)).not.toBeNull();
      expect(refusal(() => valueText(value(nested(31, wrap)), bounds)).violations[0]?.field).toBe("f");
      expect(refusal(() => structText({ a: nested(30, wrap) }, bounds)).violations[0]?.field).toBe("f");
    }
  });

  test("for a searchable column has no NUL, no half of a surrogate pair and no number that is none", () => {
    const bad: [JsonObject, string][] = [
      [{ a: "\0" }, "f.a"],
      [{ a: [{ b: "x\ud800" }] }, "f.a[0].b"],
      [{ "\0": 1 }, "f"],
      [{ a: { "\udc00": 1 } }, "f.a"],
      [{ a: Number.NaN }, "f.a"],
      [{ a: [1, Number.POSITIVE_INFINITY] }, "f.a[1]"],
    ];
    for (const [json, field] of bad) expect(refusal(() => structText(json, bounds)).violations[0]?.field).toBe(field);
    expect(structText({ "😀": "\u0001😀" }, bounds)).toBe('{"😀":"\\u0001😀"}');
  });
});

describe("times", () => {
  const anyMicros = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

  test("come back as they were, to the microsecond, from the wire and from the database", () => {
    fc.assert(
      fc.property(anyMicros, (micros) => {
        expect(microsOf(timestamp(micros))).toBe(micros);
        expect(parseMicros(formatMicros(micros))).toBe(micros);
      }),
    );
    expect(microsOf(create(TimestampSchema, { seconds: 1n, nanos: 1_999 }))).toBe(1_000_001);
    expect(formatMicros(microsOf(timestampFromMs(Date.UTC(9999, 11, 31, 23, 59, 59))))).toBe(
      "9999-12-31T23:59:59.000000+00",
    );
  });

  test("durations are rounded up to milliseconds: nothing that was asked for becomes nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 31_622_400_000 }), (millis) => millisOf(duration(millis)) === millis),
    );
    expect(millisOf(create(DurationSchema, { nanos: 1 }))).toBe(1);
    expect(millisOf(create(DurationSchema, { seconds: 2n, nanos: 1_000_001 }))).toBe(2_002);
  });

  test("a duration of nothing is as good as none", () => {
    expect(nonZero(undefined)).toBeUndefined();
    expect(nonZero(duration(0))).toBeUndefined();
    expect(nonZero(duration(1))).toEqual(duration(1));
  });
});

describe("page tokens", () => {
  test("come back with the filters that they were made for, and with no others", () => {
    fc.assert(
      fc.property(fc.bigInt(1n, (1n << 63n) - 1n), fc.string(), fc.string(), (before, filters, others) => {
        const pageToken = encodePageToken(before, filters);
        expect(decodePage({ pageSize: 0, pageToken }, filters)).toEqual({ size: 50, before });
        if (filters !== others)
          expect(refusal(() => decodePage({ pageSize: 0, pageToken }, others)).reason).toBe("PAGE_TOKEN_MISMATCH");
      }),
    );
    expect(encodePageToken(undefined, "x")).toBe("");
  });

  test("of any other text are refused, and sizes are cut", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        (pageToken) => refusal(() => decodePage({ pageSize: 1, pageToken }, "")).reason === "PAGE_TOKEN_MISMATCH",
      ),
    );
    const sizes = [0, 1, 1000, 1001, 2_147_483_647].map((pageSize) => decodePage({ pageSize, pageToken: "" }, "").size);
    expect(sizes).toEqual([50, 1, 1000, 1000, 1000]);
  });
});

describe("cursors", () => {
  const anyCursor = fc.record({
    seq: fc.bigInt(0n, 10n ** 15n),
    index: fc.nat(999_999),
    ahead: fc.uniqueArray(fc.integer({ min: 1, max: 10_000 }), { maxLength: 20 }),
  });

  test("come back as they were", () => {
    fc.assert(
      fc.property(anyCursor, ({ seq, index, ahead }) => {
        const seen = rangesOf(ahead.sort((a, b) => a - b).map((by) => seq + BigInt(by)));
        const text = formatCursor({ seq, index, seen });
        expect(text.length).toBeLessThanOrEqual(1024);
        expect(parseCursor(text)).toEqual({ seq, index, seen });
      }),
    );
  });

  test("of any other text are INVALID_FIELD, and the text is shown in short", () => {
    fc.assert(fc.property(fc.string(), (text) => refusal(() => parseCursor(text)).violations[0]?.field === "cursor"));
    expect(refusal(() => parseCursor("x".repeat(10_000))).message.length).toBeLessThan(300);
  });
});
