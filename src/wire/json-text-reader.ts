import { isUtf8 } from "node:buffer";
import { jsonDepthMax } from "./json.ts";
import { type ProtoReader, unusual } from "./proto-reader.ts";

/** Names of one object are compared with each other, one by one: beyond so many that takes longer than the library does. */
const membersMax = 64;

const quote = 0x22;
const backslash = 0x5c;

/**
 * JsonTextReader turns the wire bytes of google.protobuf.Struct and Value into the JSON text that the library makes of them, without the objects between: those are
 * most of what a task with metadata and input costs. What the library would refuse, put in another order (names that are numbers), merge (names that come
 * twice) or what PostgreSQL cannot hold is {@link unusual}, which is thrown.
 */
export class JsonTextReader {
  #text = Buffer.allocUnsafe(4096);
  #length = 0;
  #isAscii = true;
  /** Where the names of the objects that are open stand: their places and lengths. */
  readonly #names: number[] = [];

  /** Reads a Struct with its length. */
  struct(reader: ProtoReader): string {
    return this.#whole(() => this.#struct(reader, reader.lengthEnd(), 0));
  }

  /** Reads a Value with its length. */
  value(reader: ProtoReader): string {
    return this.#whole(() => this.#value(reader, reader.lengthEnd(), 0));
  }

  #whole(read: () => void): string {
    this.#length = 0;
    this.#isAscii = true;
    this.#names.length = 0;
    read();
    if (this.#isAscii) return this.#text.toString("latin1", 0, this.#length);
    // Texts stand between quotes, so that each of them is UTF-8 if all of it is.
    if (!isUtf8(this.#text.subarray(0, this.#length))) throw unusual;
    return this.#text.toString("utf8", 0, this.#length);
  }

  #struct(reader: ProtoReader, end: number, depth: number): void {
    if (depth === jsonDepthMax) throw unusual;
    const firstName = this.#names.length;
    this.#put(0x7b);
    while (reader.position < end) {
      if (reader.varint() !== 0x0a) throw unusual;
      const entryEnd = this.#within(reader, end);
      if (this.#names.length > firstName) this.#put(0x2c);
      if (reader.varint() !== 0x0a) throw unusual;
      this.#name(reader, this.#within(reader, entryEnd), firstName);
      this.#put(0x3a);
      if (reader.varint() !== 0x12) throw unusual;
      this.#value(reader, this.#within(reader, entryEnd), depth + 1);
      if (reader.position !== entryEnd) throw unusual;
    }
    this.#put(0x7d);
    this.#names.length = firstName;
  }

  #list(reader: ProtoReader, end: number, depth: number): void {
    if (depth === jsonDepthMax) throw unusual;
    this.#put(0x5b);
    for (let isFirst = true; reader.position < end; isFirst = false) {
      if (!isFirst) this.#put(0x2c);
      if (reader.varint() !== 0x0a) throw unusual;
      this.#value(reader, this.#within(reader, end), depth + 1);
    }
    this.#put(0x5d);
  }

  /** By the kind, which is the one field of a Value. */
  #value(reader: ProtoReader, end: number, depth: number): void {
    if (reader.position === end) throw unusual;
    switch (reader.varint()) {
      case 0x08:
        if (reader.varint() !== 0) throw unusual;
        this.#ascii("null");
        break;
      case 0x11: {
        const value = reader.double();
        if (!Number.isFinite(value)) throw unusual;
        this.#ascii(String(value));
        break;
      }
      case 0x1a:
        this.#string(reader, this.#within(reader, end));
        break;
      case 0x20: {
        const value = reader.varint();
        if (value > 1) throw unusual;
        this.#ascii(value === 1 ? "true" : "false");
        break;
      }
      case 0x2a:
        this.#struct(reader, this.#within(reader, end), depth);
        break;
      case 0x32:
        this.#list(reader, this.#within(reader, end), depth);
        break;
      default:
        throw unusual;
    }
    if (reader.position !== end) throw unusual;
  }

  #within(reader: ProtoReader, end: number): number {
    const own = reader.lengthEnd();
    if (own > end) throw unusual;
    return own;
  }

  /** A name of an object: none that an object of JavaScript has at another place, and none twice. */
  #name(reader: ProtoReader, end: number, firstName: number): void {
    const { bytes, position } = reader;
    const length = end - position;
    const first = bytes[position] as number;
    // Numbers come first in an object, and __proto__ is none of its own.
    if (length > 0 && ((first >= 0x30 && first <= 0x39) || first === 0x5f)) throw unusual;
    const names = this.#names;
    if (names.length - firstName >= membersMax * 2) throw unusual;
    for (let n = firstName; n < names.length; n += 2) {
      const other = names[n] as number;
      if (names[n + 1] === length && bytes.compare(bytes, other, other + length, position, end) === 0) throw unusual;
    }
    names.push(position, length);
    this.#string(reader, end);
  }

  #string(reader: ProtoReader, end: number): void {
    const { bytes } = reader;
    // Each byte is written as six at most.
    this.#reserve((end - reader.position) * 6 + 2);
    const text = this.#text;
    let length = this.#length;
    text[length++] = quote;
    for (let n = reader.position; n < end; n += 1) {
      const byte = bytes[n] as number;
      if (byte >= 0x80) this.#isAscii = false;
      else if (byte < 0x20) {
        if (byte === 0) throw unusual;
        length += text.write(JSON.stringify(String.fromCharCode(byte)).slice(1, -1), length, "latin1");
        continue;
      } else if (byte === quote || byte === backslash) text[length++] = backslash;
      text[length++] = byte;
    }
    text[length++] = quote;
    this.#length = length;
    reader.position = end;
  }

  #put(byte: number): void {
    this.#reserve(1);
    this.#text[this.#length++] = byte;
  }

  #ascii(text: string): void {
    this.#reserve(text.length);
    for (let n = 0; n < text.length; n += 1) this.#text[this.#length++] = text.charCodeAt(n);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#text.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#text.length * 2, this.#length + bytes));
    this.#text.copy(larger, 0, 0, this.#length);
    this.#text = larger;
  }
}
