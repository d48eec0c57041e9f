import type { Path } from "@bufbuild/protobuf/reflect";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type FieldPlan, type MessagePlan, type ScalarKind, tooManyItems, tooManyParts } from "./message-plan.ts";

/**
 * The most messages that one may have within it, entries of maps, unknown fields and items of lists without a bound included. Each becomes an object or two of some 100 bytes, so a message
 * with as many is decoded within a few hundred megabytes; as 16 MiB of the smallest ones there can be are 8 million of them.
 */
export const embeddedMessagesMax = 2_000_000;

/** The decoder's own limit: what is nested deeper is an error there. */
const depthMax = 100;
const malformed = -1;

/**
 * Looks through an encoded message, without making objects of it, for what would make too many: throws INVALID_FIELD where a list has more items than the contract allows, in any depth, and
 * LIMIT_EXCEEDED above {@link embeddedMessagesMax}. It follows the decoder of `@bufbuild/protobuf` in each particular (wire types of known fields do not count, lengths reach beyond what
 * surrounds them, what comes in pieces adds up), as what the two read differently would pass unseen. What is malformed is left to the decoder, which does not get any further than this.
 */
export function scanMessage(plan: MessagePlan, bytes: Uint8Array): void {
  new MessageScan(bytes).run(plan);
}

/** What lists of a message hold so far. */
class Counts {
  readonly items: number[];
  /** The same of the messages that it has one of, by slot. */
  readonly parts: ({ readonly field: FieldPlan; readonly counts: Counts } | undefined)[] = [];

  constructor({ slots }: MessagePlan) {
    this.items = new Array<number>(slots).fill(0);
  }
}

/** A message that is being scanned. They are kept and used again, level by level. */
interface Frame {
  plan: MessagePlan;
  end: number;
  depth: number;
  counts: Counts | undefined;
  /** The field of the message around it; undefined: there is none. */
  field: FieldPlan | undefined;
  /** The place in a list. */
  index: number;
  /** Where the key of an entry stands. */
  keyAt: number;
}

class MessageScan {
  readonly #bytes: Uint8Array;
  readonly #frames: Frame[] = [];
  #level = -1;
  #at = 0;
  #messages = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  run(plan: MessagePlan): void {
    const counts = plan.hasBounds ? new Counts(plan) : undefined;
    this.#push({ plan, end: this.#bytes.length, depth: 1, counts, field: undefined, index: 0, keyAt: 0 });
    while (this.#level >= 0) {
      const frame = this.#frames[this.#level] as Frame;
      if (this.#at >= frame.end) this.#level -= 1;
      else if (!this.#readField(frame)) return;
    }
  }

  /** Moves behind a field, or into it; false: it is malformed. */
  #readField(frame: Frame): boolean {
    const tag = this.#tag();
    if (tag === malformed) return false;
    const field = frame.plan.byNumber[tag >>> 3];
    if (field === undefined) {
      // The decoder keeps it, which takes about as much as a message.
      this.#count(1);
      return this.#skip(tag, depthMax - frame.depth);
    }
    const part = frame.counts?.parts[field.slot];
    // Another member of a oneof takes the place of the one before, and what that held is gone.
    if (part !== undefined && part.field !== field) (frame.counts as Counts).parts[field.slot] = undefined;
    switch (field.kind) {
      case "message":
      case "map":
        return this.#enter(frame, field, 0);
      case "messages":
        return this.#enter(frame, field, this.#add(frame, field, 1));
      case "scalars":
        return this.#readScalars(frame, field, tag & 7);
      default:
        if (frame.plan.isEntry && tag >>> 3 === 1) frame.keyAt = this.#at;
        return this.#skipScalar(field.scalar);
    }
  }

  #enter(frame: Frame, field: FieldPlan, index: number): boolean {
    const length = this.#uint32();
    if (length === malformed) return false;
    this.#count(1);
    if (length === 0) return true;
    const plan = field.message as MessagePlan;
    const depth = frame.depth + (plan.isEntry ? 0 : 1);
    if (depth > depthMax) return false;
    const counts = plan.hasBounds ? countsOf(frame, field, plan) : undefined;
    const next = this.#frames[this.#level + 1];
    const end = this.#at + length;
    if (next === undefined) this.#push({ plan, end, depth, counts, field, index, keyAt: 0 });
    else {
      next.plan = plan;
      next.end = end;
      next.depth = depth;
      next.counts = counts;
      next.field = field;
      next.index = index;
      next.keyAt = 0;
      this.#level += 1;
    }
    return true;
  }

  #push(frame: Frame): void {
    this.#frames.push(frame);
    this.#level += 1;
  }

  #readScalars(frame: Frame, field: FieldPlan, wireType: number): boolean {
    if (wireType !== 2 || field.scalar === "bytes") {
      this.#add(frame, field, 1);
      return this.#skipScalar(field.scalar);
    }
    const length = this.#uint32();
    if (length === malformed) return false;
    for (const end = this.#at + length; this.#at < end; ) {
      this.#add(frame, field, 1);
      if (!this.#skipScalar(field.scalar)) return false;
    }
    return true;
  }

  /** Counts an item of a list, and returns its place. */
  #add({ counts }: Frame, field: FieldPlan, items: number): number {
    if (field.itemsMax === Number.POSITIVE_INFINITY) {
      if (field.kind === "scalars") this.#count(items);
      return 0;
    }
    const sum = ((counts as Counts).items[field.slot] as number) + items;
    if (sum > field.itemsMax) throw tooManyItems(this.#pathOf(field), field.itemsMax);
    (counts as Counts).items[field.slot] = sum;
    return sum - 1;
  }

  #count(messages: number): void {
    this.#messages += messages;
    if (this.#messages > embeddedMessagesMax) throw tooManyParts("messages within it", embeddedMessagesMax);
  }

  /** The path of a field of the message that is being read. */
  #pathOf(field: FieldPlan): Path {
    const path: Path[number][] = [];
    for (const frame of this.#frames.slice(1, this.#level + 1)) {
      const { desc, kind } = frame.field as FieldPlan;
      if (desc !== undefined) path.push(desc);
      if (kind === "messages") path.push({ kind: "list_sub", index: frame.index });
      if (kind === "map") path.push({ kind: "map_sub", key: this.#keyOf(frame) });
    }
    return field.desc === undefined ? path : [...path, field.desc];
  }

  #keyOf({ plan, keyAt }: Frame): string | number {
    if (keyAt === 0) return "";
    const reader = new BinaryReader(this.#bytes);
    reader.pos = keyAt;
    return plan.byNumber[1]?.kind === "bytes" ? reader.string() : reader.int32();
  }

  /** Reads a tag; what the decoder refuses is malformed. */
  #tag(): number {
    const start = this.#at;
    const tag = this.#uint32();
    const length = this.#at - start;
    if (length > 5 || (length === 5 && (this.#bytes[this.#at - 1] as number) > 0x0f)) return malformed;
    return tag < 8 || (tag & 7) > 5 ? malformed : tag;
  }

  /** Reads a number of 32 bits as the decoder does: from up to ten bytes, of which those that do not fit do not matter. */
  #uint32(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= bytes.length) return malformed;
      const byte = bytes[this.#at++] as number;
      if (shift < 28) value |= (byte & 0x7f) << shift;
      else if (shift === 28) value |= (byte & 0x0f) << 28;
      if (byte < 0x80) return value >>> 0;
    }
    return malformed;
  }

  #skipScalar(kind: ScalarKind): boolean {
    if (kind === "varint") return this.#uint32() !== malformed;
    let length = kind === "fixed32" ? 4 : 8;
    if (kind === "bytes") length = this.#uint32();
    this.#at += length;
    return length !== malformed && this.#at <= this.#bytes.length;
  }

  /** Moves behind an unknown field. */
  #skip(tag: number, depthLeft: number): boolean {
    switch (tag & 7) {
      case 0: {
        const { length } = this.#bytes;
        while (this.#at < length && (this.#bytes[this.#at] as number) >= 0x80) this.#at += 1;
        this.#at += 1;
        return this.#at <= length;
      }
      case 1:
        return this.#skipScalar("fixed64");
      case 2:
        return this.#skipScalar("bytes");
      case 5:
        return this.#skipScalar("fixed32");
      case 3:
        return this.#skipGroup(tag >>> 3, depthLeft);
      default:
        return false;
    }
  }

  #skipGroup(number: number, depthLeft: number): boolean {
    const open = [number];
    while (open.length > 0) {
      if (open.length > depthLeft) return false;
      const tag = this.#tag();
      if (tag === malformed) return false;
      if ((tag & 7) === 3) open.push(tag >>> 3);
      else if ((tag & 7) === 4) {
        if (open.pop() !== tag >>> 3) return false;
      } else if (!this.#skip(tag, 0)) return false;
    }
    return true;
  }
}

/** Where the lists of a message within another are counted: anew, but where there is one message, its pieces add up. */
function countsOf({ counts }: Frame, field: FieldPlan, plan: MessagePlan): Counts {
  if (field.kind !== "message" || counts === undefined) return new Counts(plan);
  const known = counts.parts[field.slot];
  if (known !== undefined) return known.counts;
  const made = new Counts(plan);
  counts.parts[field.slot] = { field, counts: made };
  return made;
}
