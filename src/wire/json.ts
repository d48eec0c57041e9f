import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { invalidField } from "../domain/errors.ts";

/** Where a piece of JSON stands in its request, and how large it may be. */
export interface JsonBounds {
  readonly field: string;
  readonly bytesMax: number;
}

/** Bounds of the free-form parts of a request, in bytes of JSON. */
export const jsonBytesMax = {
  metadata: 64 * 1024,
  input: 1024 * 1024,
  output: 1024 * 1024,
  details: 64 * 1024,
  progress: 64 * 1024,
  webhookBody: 256 * 1024,
} as const;

/**
 * How deep objects and lists may stand in each other. Protobuf libraries give up at 100 nested messages, an object in an object is three of
 * them, and answers and events wrap what was given in up to six: deeper JSON could be written, but not be read by a client.
 */
export const jsonDepthMax = 30;

/** Writes a google.protobuf.Value as JSON text; absent: null. Refuses numbers that JSON does not have, and what is too large. */
export function valueText(value: Value | undefined, bounds: JsonBounds): string | null {
  if (value === undefined || value.kind.case === undefined) return null;
  let json: JsonValue;
  try {
    json = toJson(ValueSchema, value);
  } catch (error) {
    throw invalidField(bounds.field, `cannot be written as JSON: ${(error as Error).message}`);
  }
  checkDepth(json, bounds.field);
  return boundedText(json, bounds);
}

/** Writes a google.protobuf.Struct as JSON text for a searchable column; absent: null. */
export function structText(value: JsonValue | undefined, bounds: JsonBounds): string | null {
  if (value === undefined) return null;
  checkDepth(value, bounds.field);
  checkSearchable(value, bounds.field);
  return boundedText(value, bounds);
}

/** Whether a text is that short as JSON in UTF-8, which takes three bytes for a character of a text at most. */
export function isWithin(text: string | null, bytesMax: number): boolean {
  return text === null || text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax;
}

function boundedText(json: JsonValue, { field, bytesMax }: JsonBounds): string {
  const text = JSON.stringify(json);
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) throw invalidField(field, `is ${bytes} bytes of JSON; at most ${bytesMax} are allowed`);
  return text;
}

function checkDepth(json: JsonValue, field: string, depth = 0): void {
  if (json === null || typeof json !== "object") return;
  if (depth === jsonDepthMax) throw invalidField(field, `is nested deeper than ${jsonDepthMax} objects and lists`);
  for (const item of Object.values(json)) checkDepth(item, field, depth + 1);
}

/** PostgreSQL's jsonb holds no NUL characters, no halves of surrogate pairs and no numbers that are none. */
function checkSearchable(json: JsonValue, path: string): void {
  if (typeof json === "string") checkText(json, path);
  else if (typeof json === "number") {
    if (!Number.isFinite(json)) throw invalidField(path, `${json} is not a number of JSON`);
  } else if (Array.isArray(json)) for (const [n, item] of json.entries()) checkSearchable(item, `${path}[${n}]`);
  else if (json !== null && typeof json === "object") {
    for (const [name, item] of Object.entries(json)) {
      checkText(name, path);
      checkSearchable(item, `${path}.${name}`);
    }
  }
}

function checkText(text: string, path: string): void {
  if (text.includes("\0")) throw invalidField(path, "contains a NUL character (\\u0000), which cannot be stored");
  if (!text.isWellFormed()) throw invalidField(path, "contains half of a surrogate pair, which is not text");
}
