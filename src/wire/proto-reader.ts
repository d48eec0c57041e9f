import { isUtf8 } from "node:buffer";

/** Unusual says that some bytes are not what a {@link ProtoReader} is for: nothing is wrong with them yet, and the library reads them. Always the same, without a stack. */
export const unusual: unknown = Object.freeze({ reason: "unusual bytes" });

/**
 * ProtoReader reads the wire format of protobuf (https://protobuf.dev/programming-guides/encoding) where it is written as encoders write it: each number in as few
 * bytes as it takes, texts in UTF-8. Anything else, and whatever goes beyond the end, is {@link unusual}, which is thrown.
 */
export class ProtoReader {
  readonly bytes: Buffer;
  position: number;
  /** Where what is read ends. */
  end: number;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
    this.end = bytes.byteLength;
  }

  /** A number up to 2^53. Tags, lengths, enums and bools are such, too. */
  varint(): number {
    let byte = this.#next();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let unit = 0x80; ; unit *= 0x80) {
      byte = this.#next();
      value += (byte & 0x7f) * unit;
      if (value > Number.MAX_SAFE_INTEGER) throw unusual;
      if (byte < 0x80) {
        // A last byte of zero says nothing.
        if (byte === 0) throw unusual;
        return value;
      }
    }
  }

  /** An int32, enum or bool that is not negative; not its default, which encoders leave out. */
  positive(max = 0x7fffffff): number {
    const value = this.varint();
    if (value === 0 || value > max) throw unusual;
    return value;
  }

  /** The place behind the message or text that begins here with its length. */
  lengthEnd(): number {
    const length = this.varint();
    const end = this.position + length;
    if (end > this.end) throw unusual;
    return end;
  }

  double(): number {
    if (this.position + 8 > this.end) throw unusual;
    const value = this.bytes.readDoubleLE(this.position);
    this.position += 8;
    return value;
  }

  text(): string {
    const end = this.lengthEnd();
    const { bytes, position } = this;
    this.position = end;
    for (let n = position; n < end; n += 1) {
      if ((bytes[n] as number) < 0x80) continue;
      if (!isUtf8(bytes.subarray(position, end))) throw unusual;
      return bytes.toString("utf8", position, end);
    }
    return bytes.toString("latin1", position, end);
  }

  /** A text that is set: an encoder leaves an empty one out. */
  filledText(): string {
    const text = this.text();
    if (text === "") throw unusual;
    return text;
  }

  #next(): number {
    if (this.position >= this.end) throw unusual;
    const byte = this.bytes[this.position] as number;
    this.position += 1;
    return byte;
  }
}
