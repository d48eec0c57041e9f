/** Records are written into pieces of so many bytes; a larger one has a piece of its own. */
const pieceBytes = 256 * 1024;
const lengthBytes = 4;
/** What stands for the length of a text that is not there. */
const absent = 0xffffffff;

/** One thing that a record holds: a text, one that may be absent, or a number of 32 bits. */
export type RecordItem = string | null | number;

/**
 * RecordLog keeps records of texts and numbers as bytes, outside of the garbage collected heap: a hundred thousand records of a few texts each are a few buffers,
 * not a million objects, which the collector would have to copy and mark.
 */
export class RecordLog {
  readonly #pieces: Buffer[] = [];
  #used = 0;
  /** For each record its piece and its place in it. */
  readonly #pieceOf: number[] = [];
  readonly #startOf: number[] = [];

  /** How many records there are. */
  get length(): number {
    return this.#startOf.length;
  }

  /** Adds a record, and answers its bytes. Lone surrogates come back as replacement characters. */
  push(items: readonly RecordItem[]): Uint8Array {
    const piece = this.#roomFor(items);
    const start = this.#used;
    let end = start;
    for (const item of items) {
      const textBytes = typeof item === "string" ? piece.write(item, end + lengthBytes) : 0;
      piece.writeUInt32LE(typeof item === "number" ? item : item === null ? absent : textBytes, end);
      end += lengthBytes + textBytes;
    }
    this.#used = end;
    this.#pieceOf.push(this.#pieces.length - 1);
    this.#startOf.push(start);
    return piece.subarray(start, end);
  }

  /** Reads a record, whose items the caller knows. */
  read(n: number): RecordReader {
    return new RecordReader(this.#pieces[this.#pieceOf[n] as number] as Buffer, this.#startOf[n] as number);
  }

  #roomFor(items: readonly RecordItem[]): Buffer {
    let most = 0;
    // A unit of UTF-16 is three bytes of UTF-8 at most; what is long is counted exactly.
    for (const item of items)
      most +=
        lengthBytes + (typeof item !== "string" ? 0 : item.length > 1_000 ? Buffer.byteLength(item) : 3 * item.length);
    const last = this.#pieces.at(-1);
    if (last !== undefined && this.#used + most <= last.length) return last;
    const piece = Buffer.allocUnsafeSlow(Math.max(pieceBytes, most));
    this.#pieces.push(piece);
    this.#used = 0;
    return piece;
  }
}

/** RecordReader reads the items of a record in their order. */
export class RecordReader {
  readonly #piece: Buffer;
  #at: number;

  constructor(piece: Buffer, start: number) {
    this.#piece = piece;
    this.#at = start;
  }

  /** The next item, a number. */
  number(): number {
    const value = this.#piece.readUInt32LE(this.#at);
    this.#at += lengthBytes;
    return value;
  }

  /** The next item, a text that is there. */
  text(): string {
    return this.optionalText() ?? "";
  }

  /** The next item, a text that may be absent. */
  optionalText(): string | null {
    const bytes = this.number();
    if (bytes === absent) return null;
    const start = this.#at;
    this.#at += bytes;
    return this.#piece.toString("utf8", start, this.#at);
  }

  /** Passes over a text. */
  skipText(): void {
    const bytes = this.number();
    if (bytes !== absent) this.#at += bytes;
  }
}
