/**
 * Outbox holds what is to be sent until whoever sends takes it, in order. Its owner bounds what it puts in by `size`.
 */
export class Outbox<Item> {
  readonly #items: Item[] = [];
  readonly #onTaken: (item: Item) => void;
  #wake: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;

  /** @param onTaken is told of each item when it has been taken; does not throw */
  constructor(onTaken: (item: Item) => void = () => {}) {
    this.#onTaken = onTaken;
  }

  /** How many items wait. */
  get size(): number {
    return this.#items.length;
  }

  /** Puts an item in; nothing after the end. */
  push(item: Item): void {
    if (this.#end !== undefined) return;
    this.#items.push(item);
    this.#wake?.();
  }

  /** Says that nothing more comes; with an error, that nothing of what waits is to be sent any more. The first call counts. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  /** Takes all that waits, without telling of it. */
  drain(): Item[] {
    return this.#items.splice(0);
  }

  /** Items as they come, up to the end; throws its error. */
  async *items(): AsyncGenerator<Item> {
    for (;;) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#onTaken(item);
        yield item;
      } else if (this.#end !== undefined) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
