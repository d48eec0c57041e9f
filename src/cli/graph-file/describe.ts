import type { DescEnum, DescMessage } from "@bufbuild/protobuf";
import { isMap, isScalar, isSeq, type Node } from "yaml";

const valueLengthMax = 40;
const forms: Readonly<Record<string, string>> = {
  "google.protobuf.Duration": 'no length of time in seconds, such as "90s" or "0.5s"',
  "google.protobuf.Timestamp": 'no time such as "2026-01-31T12:00:00Z"',
};

/** kindOf says what stands somewhere, with its value where that is short: `the number 7`. */
export function kindOf(node: Node | null | undefined): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  const value = isScalar(node) ? node.value : null;
  if (value === null || value === undefined) return "empty";
  const text = String(value);
  const short = text.length > valueLengthMax ? `${text.slice(0, valueLengthMax)}…` : text;
  return typeof value === "string" ? `the text ${JSON.stringify(short)}` : `the ${wordOf(value)} ${short}`;
}

/** nameOf is a path, or what to call the whole. */
export function nameOf(path: string): string {
  return path === "" ? "the file" : path;
}

/** offsetOf is where a node begins. */
export function offsetOf(node: Node | null | undefined): number {
  return node?.range?.[0] ?? 0;
}

/** fieldNames lists what a message may hold. */
export function fieldNames({ fields }: DescMessage): string {
  return fields.map(({ name }) => name).join(", ");
}

/** shortName is the name of an enum's value without the prefix that all of them share. */
export function shortName({ sharedPrefix }: DescEnum, name: string): string {
  return sharedPrefix !== undefined && name.toLowerCase().startsWith(sharedPrefix)
    ? name.slice(sharedPrefix.length)
    : name;
}

/** formOf says what a text of a well-known type looks like. */
export function formOf({ typeName }: DescMessage): string {
  return forms[typeName] ?? `no ${typeName}`;
}

function wordOf(value: unknown): string {
  if (typeof value === "boolean") return "truth value";
  return typeof value === "number" || typeof value === "bigint" ? "number" : typeof value;
}
