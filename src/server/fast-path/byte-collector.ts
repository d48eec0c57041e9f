/**
 * ByteCollector joins the pieces of a body. It holds at most twice the bytes that it was given, however small the pieces
 * are, and copies each byte a bounded number of times; one piece alone is not copied.
 */
export class ByteCollector {
  #buffer: Buffer = Buffer.alloc(0);
  #size = 0;
  #isOwn = false;

  /** How many bytes it was given. */
  get size(): number {
    return this.#size;
  }

  /** Adds a piece, which must not be changed afterwards. */
  push(piece: Buffer): void {
    const size = this.#size + piece.length;
    if (this.#size === 0) {
      this.#buffer = piece;
      this.#isOwn = false;
    } else {
      if (!this.#isOwn || size > this.#buffer.length) this.#grow(size);
      piece.copy(this.#buffer, this.#size);
    }
    this.#size = size;
  }

  /** What it was given, in one piece. */
  bytes(): Buffer {
    return this.#buffer.length === this.#size ? this.#buffer : this.#buffer.subarray(0, this.#size);
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafe(Math.max(size, this.#size * 2));
    this.#buffer.copy(larger, 0, 0, this.#size);
    this.#buffer = larger;
    this.#isOwn = true;
  }
}
