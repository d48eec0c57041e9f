/** Variables holds what the steps of a case have answered, under the names that they gave it. */
export class Variables {
  readonly #values = new Map<string, unknown>();

  set(name: string, value: unknown): void {
    this.#values.set(name, value);
  }

  /**
   * Replaces references in a value: a text that is one (`$graph.ids.a`) by what it names, of whatever type; `${graph.ids.a}` within a text, or within the key of an object,
   * by its text. Throws when there is no such thing.
   */
  fill(value: unknown): unknown {
    if (typeof value === "string") return this.#fillText(value);
    if (Array.isArray(value)) return value.map((item) => this.fill(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [String(this.#fillText(key)), this.fill(item)]),
    );
  }

  #fillText(text: string): unknown {
    const whole = /^\$([A-Za-z][\w.-]*)$/.exec(text);
    if (whole) return this.#get(whole[1]!);
    return text.replaceAll(/\$\{([\w.-]+)\}/g, (_, reference: string) => String(this.#get(reference)));
  }

  #get(reference: string): unknown {
    const [name, ...parts] = reference.split(".");
    if (!this.#values.has(name!)) throw new Error(`$${reference}: no step is named "${name}"`);
    let value = this.#values.get(name!);
    for (const part of parts) {
      value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[part] : undefined;
      if (value === undefined) throw new Error(`$${reference}: there is no "${part}" in it`);
    }
    return value;
  }
}
