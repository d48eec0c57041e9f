import fc from "fast-check";
import { expect, test } from "vitest";
import { formatMicros, parseMicros } from "../../src/store/pg-types.ts";

test("times of few minutes are read as PostgreSQL writes them, in whichever order they come", () => {
  const second = fc.constantFrom("00", "07.5", "59.999999");
  const minute = fc.constantFrom("2026-11-29 02:19", "2026-11-29 02:20", "1999-12-31 23:59");
  fc.assert(
    fc.property(fc.array(fc.tuple(minute, second), { minLength: 1, maxLength: 12 }), (times) => {
      for (const [start, rest] of times) {
        const [whole, fraction = ""] = rest.split(".");
        const micros = Date.parse(`${start.replace(" ", "T")}:${whole}Z`) * 1000 + Number(fraction.padEnd(6, "0"));
        expect(parseMicros(`${start}:${rest}+00`)).toBe(micros);
      }
    }),
    { numRuns: 500 },
  );
});

test("times are read as PostgreSQL writes them, whatever was read before", () => {
  const fraction = fc.constantFrom("", ".1", ".12", ".123456", ".000001", ".999999");
  const whole = fc.date({ min: new Date("0100-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
  const zone = fc.constantFrom("+00", "+00:00", "Z");
  const time = fc.tuple(whole, fraction, zone, fc.boolean());
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 10 }), (times) => {
      for (const [date, decimals, offset, again] of times) {
        const seconds = date.toISOString().slice(0, 19);
        const text = `${seconds.replace("T", " ")}${decimals}${offset}`;
        const micros = Date.parse(`${seconds}Z`) * 1000 + Number(decimals.slice(1).padEnd(6, "0"));
        expect(parseMicros(text)).toBe(micros);
        if (again) expect(parseMicros(formatMicros(micros))).toBe(micros);
      }
    }),
  );
  expect(parseMicros("2026-11-29 02:19:03.5+00")).toBe(1_795_918_743_500_000);
});
