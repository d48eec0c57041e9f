/**
 * ProtoWriter writes the wire format of protobuf (https://protobuf.dev/programming-guides/encoding) into one buffer that grows, without a message object in
 * between. Fields that hold their default are left out, as protobuf does. It is for the few messages that are sent by the thousand; everything else is
 * written by the library.
 */
export class ProtoWriter {
  #buffer: Buffer;
  #position = 0;

  /** @param bytesExpected how much will be written, about */
  constructor(bytesExpected = 64 * 1024) {
    this.#buffer = Buffer.allocUnsafe(Math.max(bytesExpected, 256));
  }

  /** What was written. The writer is not used after it. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#position);
  }

  /** Begins a message in a field; `end` takes what this answers. */
  begin(field: number): number {
    this.#tag(field, 2);
    this.#reserve(1);
    this.#position += 1;
    return this.#position;
  }

  /** Ends a message. */
  end(start: number): void {
    const length = this.#position - start;
    if (length < 0x80) {
      this.#buffer[start - 1] = length;
      return;
    }
    const more = varintBytes(length) - 1;
    this.#reserve(more);
    this.#buffer.copyWithin(start + more, start, this.#position);
    this.#position = start - 1;
    this.#varint(length);
    this.#position += length;
  }

  /** A message that is written already. */
  bytes(field: number, message: Uint8Array): void {
    this.#tag(field, 2);
    this.#reserve(10 + message.length);
    this.#varint(message.length);
    this.#buffer.set(message, this.#position);
    this.#position += message.length;
  }

  /** The length of a message that follows, without a tag. */
  length(bytes: number): void {
    this.#reserve(10);
    this.#varint(bytes);
  }

  /** Fields that are written already, with their tags. */
  fields(written: Uint8Array): void {
    this.#reserve(written.length);
    this.#buffer.set(written, this.#position);
    this.#position += written.length;
  }

  string(field: number, text: string, { always = false } = {}): void {
    if (text === "" && !always) return;
    this.#tag(field, 2);
    // Most texts are short and plain; their length is known before they are written.
    const bytes = text.length < 64 && isAscii(text) ? text.length : Buffer.byteLength(text);
    this.#reserve(10 + bytes);
    this.#varint(bytes);
    if (bytes === text.length) this.#buffer.write(text, this.#position, bytes, "latin1");
    else this.#buffer.write(text, this.#position, bytes, "utf8");
    this.#position += bytes;
  }

  /** An int32, an enum or a bool. */
  int32(field: number, value: number, { always = false } = {}): void {
    if (value === 0 && !always) return;
    this.#tag(field, 0);
    this.#reserve(10);
    if (value < 0) this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
    else this.#varint(value);
  }

  /** An int64. */
  int64(field: number, value: bigint, { always = false } = {}): void {
    if (value === 0n && !always) return;
    this.#tag(field, 0);
    this.#reserve(10);
    if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) this.#varint(Number(value));
    else this.#bigVarint(BigInt.asUintN(64, value));
  }

  double(field: number, value: number): void {
    this.#tag(field, 1);
    this.#reserve(8);
    this.#position = this.#buffer.writeDoubleLE(value, this.#position);
  }

  /** A google.protobuf.Timestamp or Duration of so many seconds and nanoseconds, none of them negative. */
  time(field: number, seconds: number, nanos: number): void {
    const start = this.begin(field);
    this.#reserve(22);
    if (seconds !== 0) {
      this.#buffer[this.#position++] = 0x08;
      this.#varint(seconds);
    }
    if (nanos !== 0) {
      this.#buffer[this.#position++] = 0x10;
      this.#varint(nanos);
    }
    this.end(start);
  }

  #tag(field: number, wireType: number): void {
    this.#reserve(5);
    this.#varint(field * 8 + wireType);
  }

  /** Room for it has been reserved. Numbers up to 2^53. */
  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest & 0x7f) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#buffer[this.#position++] = rest;
  }

  #bigVarint(value: bigint): void {
    let rest = value;
    while (rest > 0x7fn) {
      this.#buffer[this.#position++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#position++] = Number(rest);
  }

  #reserve(bytes: number): void {
    if (this.#position + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#position + bytes));
    this.#buffer.copy(larger, 0, 0, this.#position);
    this.#buffer = larger;
  }
}

function isAscii(text: string): boolean {
  for (let n = 0; n < text.length; n += 1) if (text.charCodeAt(n) > 0x7f) return false;
  return true;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}
