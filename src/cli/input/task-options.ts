import { InvalidArgumentError } from "commander";
import { jsonErrorPlace, jsonErrorText } from "./json-error-place.ts";

/** Where a task can stand, as people write it. The client library, which knows this too, would take long to load for a line of help. */
export const taskStatusNames = [
  ...["WAITING", "PENDING", "CLAIMED", "RUNNING", "PAUSED"],
  ...["SUCCESS", "FAILURE", "CANCELED", "SKIPPED"],
] as const;

/** Where a batch can stand. */
export const batchStatusNames = ["ACTIVE", "PAUSED", "SUCCESS", "FAILURE", "CANCELED"] as const;

/** Where a delivery can stand. */
export const deliveryStateNames = ["PENDING", "DELIVERED", "EXHAUSTED"] as const;

/** What a delivery can tell of. */
export const deliveryTriggerNames = ["SUCCESS", "FAILURE", "CANCEL", "BATCH_COMPLETE", "STOP"] as const;

/** How important a line of log can be. */
export const logLevelNames = ["DEBUG", "INFO", "WARN", "ERROR"] as const;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const durationUnitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** isUuid tells whether a text has the form of an id. */
export function isUuid(text: string): boolean {
  return uuid.test(text);
}

/** taskId reads the id of a task. */
export function taskId(text: string): string {
  return idOf(text, "task");
}

/** taskIds reads one of several ids of tasks. */
export function taskIds(text: string, previous: readonly string[] = []): string[] {
  return [...previous, taskId(text)];
}

/** batchId reads the id of a batch. */
export function batchId(text: string): string {
  return idOf(text, "batch");
}

/** batchIds reads one of several ids of batches. */
export function batchIds(text: string, previous: readonly string[] = []): string[] {
  return [...previous, batchId(text)];
}

/** deliveryIds reads one of several ids of deliveries. */
export function deliveryIds(text: string, previous: readonly string[] = []): string[] {
  return [...previous, idOf(text, "delivery")];
}

/** texts reads one of several values of an option. */
export function texts(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}

/** oneOf reads names out of a list, in any case, several with commas between them, and adds them to what came before. */
export function oneOf<Name extends string>(
  names: readonly Name[],
): (text: string, previous?: readonly Name[]) => Name[] {
  return (text, previous = []) => [
    ...previous,
    ...text.split(",").map((part) => {
      const found = names.find((name) => name === part.trim().toUpperCase());
      if (found === undefined) throw new InvalidArgumentError(`It must be of ${names.join(", ")}.`);
      return found;
    }),
  ];
}

/** choice reads one name out of a list, in any case. */
export function choice<Name extends string>(names: readonly Name[]): (text: string) => Name {
  return (text) => {
    const [found, ...more] = oneOf(names)(text);
    if (found === undefined || more.length > 0)
      throw new InvalidArgumentError(`It must be one of ${names.join(", ")}.`);
    return found;
  };
}

/** jsonValue reads an option's value that is JSON. */
export function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(
      `It is no JSON, at ${jsonErrorPlace(text)}: ${jsonErrorText(error)}. A text needs quotes of its own: '"text"'.`,
    );
  }
}

/** jsonIfGiven reads an option's value that is JSON and may be left out: then there is no `value` in what it answers. */
export function jsonIfGiven(text: string): { readonly value?: unknown } {
  return text === "" ? {} : { value: jsonValue(text) };
}

/** jsonObject reads an option's value that is a JSON object. */
export function jsonObject(text: string): Record<string, unknown> {
  const value = jsonValue(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidArgumentError('It must be a JSON object, such as {"tenant": "a"}.');
}

/** keyValue reads one of several `key=value` and adds it to those before. */
export function keyValue(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be of the form key=value.");
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}

/** durationMs reads a length of time, such as `90s`, `1.5h` or `250ms`, in milliseconds. */
export function durationMs(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = durationUnitsMs[unit ?? ""];
  if (number === undefined || factor === undefined) {
    throw new InvalidArgumentError("It must be a number and a unit (ms, s, m, h, d), such as 90s or 1.5h.");
  }
  return Math.round(Number(number) * factor);
}

/**
 * timeMs reads a point in time, in milliseconds since 1970: ISO 8601 with a time zone (or a date, which begins in UTC), or how long ago it
 * is, such as `2h`.
 */
export function timeMs(text: string): number {
  if (/^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/.test(text)) return Date.now() - durationMs(text);
  const ms = /^\d{4}-\d\d-\d\d(?:T.*(?:Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new InvalidArgumentError(
    "It must be a time such as 2026-01-31T12:00:00Z, a date, or how long ago it is, such as 2h (ms, s, m, h, d).",
  );
}

function idOf(text: string, what: "task" | "batch" | "delivery"): string {
  if (isUuid(text)) return text.toLowerCase();
  throw new InvalidArgumentError(`It must be the id of a ${what}, a UUID; \`millpond ${what} list\` shows them.`);
}
