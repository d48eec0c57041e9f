/** How many different authorities are remembered. */
const rememberedMax = 1000;

/** Origins knows which authorities of requests (`Host`, `:authority`) a URL can hold, and what URLs with them begin with. */
export class Origins {
  readonly #known = new Map<string, string | undefined>();

  /** `http://host:port` as a URL writes it, or undefined when the authority is missing or no host. */
  of(authority: string | undefined): string | undefined {
    if (authority === undefined) return undefined;
    if (this.#known.has(authority)) return this.#known.get(authority);
    if (this.#known.size >= rememberedMax) this.#known.clear();
    const url = URL.canParse("/", `http://${authority}`) ? new URL("/", `http://${authority}`).href : undefined;
    const origin = url?.slice(0, -1);
    this.#known.set(authority, origin);
    return origin;
  }
}
