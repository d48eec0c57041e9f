import pg from "pg";
import type { Micros } from "../domain/task.ts";

const int8 = 20;
const int8Array = 1016;
const timestamptz = 1184;

/**
 * How values of PostgreSQL come into the program: int8 as bigint, timestamptz as microseconds since 1970, arrays of int8 accordingly.
 * Dates of JavaScript would cut the microseconds that order the times of tasks.
 */
export const pgTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: string) {
    if (format !== "binary") {
      if (oid === int8) return BigInt as never;
      if (oid === int8Array) return parseInt8Array as never;
      if (oid === timestamptz) return parseMicros as never;
    }
    return pg.types.getTypeParser(oid, format as "text") as never;
  },
};

function parseInt8Array(text: string): (bigint | null)[] {
  if (text === "{}") return [];
  return text
    .slice(1, -1)
    .split(",")
    .map((item) => (item === "NULL" ? null : BigInt(item)));
}

/**
 * The last two minutes in which times were that were parsed, and when they began: most times of an answer are of the same, but for tasks that were created in
 * one minute and claimed in another.
 */
let [lastMinute, otherMinute] = ["", ""];
let [lastMinuteMicros, otherMinuteMicros] = [0, 0];
/** The last time that was parsed: what happens in one statement has the same time. */
let lastText = "";
let lastMicros = 0;
const minuteLength = "2026-11-21 05:09".length;

/** Parses PostgreSQL's ISO output in UTC (`2026-11-21 05:09:07.123456+00`). */
export function parseMicros(text: string): Micros {
  if (text !== lastText) {
    lastMicros = parseNextMicros(text);
    lastText = text;
  }
  return lastMicros;
}

function parseNextMicros(text: string): Micros {
  const minute = text.slice(0, minuteLength);
  if (minute !== lastMinute) {
    const isOther = minute === otherMinute;
    // Years of more than four digits have no minute there.
    if (!isOther && text.charCodeAt(minuteLength) !== colon) return parseAnyMicros(text);
    const micros = isOther ? otherMinuteMicros : parseAnyMicros(`${minute}:00+00`);
    [otherMinute, otherMinuteMicros] = [lastMinute, lastMinuteMicros];
    [lastMinute, lastMinuteMicros] = [minute, micros];
  }
  const end = text.charCodeAt(text.length - 1) === letterZ ? text.length - 1 : text.lastIndexOf("+");
  return lastMinuteMicros + Math.round(Number(text.slice(minuteLength + 1, end)) * 1_000_000);
}

const colon = 58;
const letterZ = 90;

function parseAnyMicros(text: string): Micros {
  const [whole = "", fraction = ""] = text.replace(/(\+00(:00)?|Z)$/, "").split(".");
  return Date.parse(`${whole.replace(" ", "T")}Z`) * 1000 + Number(fraction.padEnd(6, "0"));
}

/** Writes microseconds since 1970 as a timestamptz. */
export function formatMicros(micros: Micros): string {
  const ms = Math.floor(micros / 1000);
  const rest = String(micros - ms * 1000).padStart(3, "0");
  return new Date(ms).toISOString().replace("Z", `${rest}+00`);
}

/** Writes microseconds as a timestamptz, and nothing as null. */
export function microsOrNull(micros: Micros | undefined): string | null {
  return micros === undefined ? null : formatMicros(micros);
}
