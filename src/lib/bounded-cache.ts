/** How much of its bytes one value may take: what is larger is made anew rather than kept in the place of many. */
const shareMax = 1 / 64;

/**
 * BoundedCache keeps what was made of texts, so many values and so many bytes of them at most: the oldest go first. Which texts come is up to callers of the
 * service, so both are bounded.
 */
export class BoundedCache<Value> {
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #entries = new Map<string, { readonly value: Value; readonly bytes: number }>();
  #bytes = 0;

  constructor({ entriesMax, bytesMax }: { readonly entriesMax: number; readonly bytesMax: number }) {
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
  }

  /** How many values are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** What was kept for a text; undefined: nothing is, or no more. */
  get(text: string): Value | undefined {
    return this.#entries.get(text)?.value;
  }

  /** Keeps a value of so many bytes for a text, unless both together are too large; a character counts as two bytes. */
  set(text: string, value: Value, valueBytes: number): void {
    const bytes = text.length * 2 + valueBytes;
    this.#delete(text);
    if (bytes > this.#bytesMax * shareMax) return;
    this.#entries.set(text, { value, bytes });
    this.#bytes += bytes;
    while (this.#entries.size > this.#entriesMax || this.#bytes > this.#bytesMax)
      this.#delete(this.#entries.keys().next().value as string);
  }

  #delete(text: string): void {
    this.#bytes -= this.#entries.get(text)?.bytes ?? 0;
    this.#entries.delete(text);
  }
}
