import type { Path } from "@bufbuild/protobuf/reflect";
import { MillpondError } from "../domain/errors.ts";
import { type FieldPlan, type MessagePlan, tooManyItems, tooManyParts } from "./message-plan.ts";

/** The most `{`, `[` and `,` of a JSON message, outside of texts: each stands for a value, of which the parser and the decoder make objects. */
export const jsonValuesMax = 4_000_000;

/** Nothing that is nested deeper decodes: the decoder's limit is 100 messages, each of which takes two levels at most. */
const depthMax = 1_000;

const code = { quote: 0x22, comma: 0x2c, openList: 0x5b, backslash: 0x5c, closeList: 0x5d, open: 0x7b, close: 0x7d };

/**
 * Looks through the bytes of a JSON message, before they are parsed, for what would make too many objects: throws INVALID_FIELD where a list has more items than the contract allows, in any
 * depth, or where it is nested too deep to decode, and LIMIT_EXCEEDED above {@link jsonValuesMax}. What is malformed is left to the parser, which makes nothing of it.
 */
export function scanJson(plan: MessagePlan, bytes: Uint8Array): void {
  new JsonScan(plan, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).run();
}

/** An object or a list that is being scanned. */
interface Frame {
  /** A message, or the field that is a list or a map. */
  readonly of: MessagePlan | FieldPlan;
  /** How many items, or members, are complete. */
  commas: number;
  /** Whether the next text is the name of a member. */
  expectsName: boolean;
  /** Where the last name stands, with its quotes. */
  name: readonly [number, number] | undefined;
  /** The field of a message with that name; undefined: there is none. */
  field: FieldPlan | undefined;
}

class JsonScan {
  readonly #bytes: Buffer;
  readonly #plan: MessagePlan;
  readonly #frames: Frame[] = [];
  #at = 0;
  #values = 0;

  constructor(plan: MessagePlan, bytes: Buffer) {
    this.#plan = plan;
    this.#bytes = bytes;
  }

  run(): void {
    const bytes = this.#bytes;
    while (this.#at < bytes.length) {
      switch (bytes[this.#at++]) {
        case code.quote:
          this.#readText(this.#frames.at(-1));
          break;
        case code.comma:
          this.#count();
          this.#addItem(this.#frames.at(-1));
          break;
        case code.open:
          this.#open(true);
          break;
        case code.openList:
          this.#open(false);
          break;
        case code.close:
        case code.closeList:
          this.#frames.pop();
          break;
        default:
      }
    }
  }

  #readText(frame: Frame | undefined): void {
    const start = this.#at - 1;
    const hasEscapes = this.#skipText();
    if (frame?.expectsName !== true) return;
    frame.expectsName = false;
    frame.name = [start, this.#at];
    frame.field = isField(frame.of) ? undefined : frame.of.byName?.get(this.#nameOf(frame.name, hasEscapes));
  }

  /** Moves behind a text whose quote has been read; returns whether something in it is escaped. */
  #skipText(): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    let hasEscapes = false;
    for (let byte = bytes[at]; byte !== undefined && byte !== code.quote; byte = bytes[at]) {
      if (byte === code.backslash) hasEscapes = true;
      at += byte === code.backslash ? 2 : 1;
    }
    this.#at = at + 1;
    return hasEscapes;
  }

  #nameOf([start, end]: readonly [number, number], hasEscapes: boolean): string {
    if (!hasEscapes) return this.#bytes.toString("utf8", start + 1, end - 1);
    try {
      return JSON.parse(this.#bytes.toString("utf8", start, end)) as string;
    } catch {
      // The parser will find it, too.
      return "";
    }
  }

  #addItem(frame: Frame | undefined): void {
    if (frame === undefined) return;
    frame.commas += 1;
    const { of } = frame;
    if (!isField(of) || of.kind === "map") frame.expectsName = true;
    else if (frame.commas >= of.itemsMax) throw tooManyItems(this.#path(), of.itemsMax);
  }

  /** Begins an object or a list: one of the contract, or one that is only counted. */
  #open(isObject: boolean): void {
    this.#count();
    const of = this.#next(isObject);
    if (of === undefined) this.#skipValue();
    else {
      if (this.#frames.length >= depthMax) throw this.#tooDeep();
      this.#frames.push({ of, commas: 0, expectsName: isObject, name: undefined, field: undefined });
    }
  }

  /** What begins here; undefined: nothing in it is bounded. */
  #next(isObject: boolean): MessagePlan | FieldPlan | undefined {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return isObject ? this.#plan : undefined;
    const { of, field } = frame;
    let message: MessagePlan | undefined;
    if (!isField(of)) {
      const isMany = field?.kind === "messages" || field?.kind === "scalars" || field?.kind === "map";
      if (isMany) return isObject === (field.kind === "map") ? field : undefined;
      message = field?.message;
    } else message = of.kind === "map" ? of.message?.byNumber[2]?.message : of.message;
    return isObject && message?.byName !== undefined ? message : undefined;
  }

  /** Moves behind an object or a list that has been begun. */
  #skipValue(): void {
    const bytes = this.#bytes;
    const outside = this.#frames.length;
    for (let depth = 1; depth > 0 && this.#at < bytes.length; ) {
      switch (bytes[this.#at++]) {
        case code.quote:
          this.#skipText();
          break;
        case code.comma:
          this.#count();
          break;
        case code.open:
        case code.openList:
          this.#count();
          depth += 1;
          if (outside + depth > depthMax) throw this.#tooDeep();
          break;
        case code.close:
        case code.closeList:
          depth -= 1;
          break;
        default:
      }
    }
  }

  #count(): void {
    this.#values += 1;
    if (this.#values > jsonValuesMax) throw tooManyParts("values in its JSON", jsonValuesMax);
  }

  /** The decoder's words. */
  #tooDeep(): MillpondError {
    const text = `cannot decode message ${this.#plan.typeName} from JSON: maximum recursion depth of 100 reached`;
    return new MillpondError("INVALID_FIELD", text);
  }

  /** The path of the list that is being read. */
  #path(): Path {
    const path: Path[number][] = [];
    for (const { of, field, name, commas } of this.#frames.slice(0, -1)) {
      if (!isField(of)) {
        if (field?.desc !== undefined) path.push(field.desc);
      } else if (of.kind !== "map") path.push({ kind: "list_sub", index: commas });
      else if (name !== undefined) path.push({ kind: "map_sub", key: this.#nameOf(name, true) });
    }
    return path;
  }
}

function isField(of: MessagePlan | FieldPlan): of is FieldPlan {
  return "kind" in of;
}
