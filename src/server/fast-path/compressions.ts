import { type Compression, compressionNegotiate } from "@connectrpc/connect/protocol";

/** How many different headers are remembered. */
const rememberedMax = 100;

/** Compressions chooses how a request is decompressed and an answer compressed, as the RPC library does. */
export class Compressions {
  readonly #available: Compression[];
  readonly #accepted = new Map<string, Compression | undefined>();

  constructor(available: readonly Compression[]) {
    this.#available = [...available];
  }

  /** The compression with a name, `undefined` for none, or "unknown". */
  named(name: string | undefined): Compression | undefined | "unknown" {
    if (name === undefined || name === "identity") return undefined;
    return this.#available.find((compression) => compression.name === name) ?? "unknown";
  }

  /** The first that an accept header names; without such a header that of the request. */
  accepted(header: string | undefined, ofRequest: Compression | undefined): Compression | undefined {
    if (header === undefined || header === "") return ofRequest;
    if (this.#accepted.has(header)) return this.#accepted.get(header);
    if (this.#accepted.size >= rememberedMax) this.#accepted.clear();
    const { response } = compressionNegotiate(this.#available, null, header, "");
    this.#accepted.set(header, response ?? undefined);
    return response ?? undefined;
  }
}
