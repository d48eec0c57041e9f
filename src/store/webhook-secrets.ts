import type { Database, Statement } from "./database.ts";

const readStatement: Statement = {
  name: "webhook_secrets",
  text: 'select webhook_secret "current", previous_webhook_secret "previous" from namespace where id = $1',
};

/** How long what was read is believed: a rotation is known to every server after that. */
const cachedMs = 10_000;

/** WebhookSecrets reads the secrets of namespaces, and remembers them for 10 s. */
export class WebhookSecrets {
  readonly #db: Pick<Database, "read">;
  readonly #now: () => number;
  readonly #known = new Map<number, { readonly secrets: Promise<readonly Buffer[]>; readonly readAtMs: number }>();

  constructor(db: Pick<Database, "read">, now: () => number = () => performance.now()) {
    this.#db = db;
    this.#now = now;
  }

  /** The secrets to sign with, the current one first. */
  of(namespaceId: number): Promise<readonly Buffer[]> {
    const known = this.#known.get(namespaceId);
    if (known !== undefined && this.#now() - known.readAtMs < cachedMs) return known.secrets;
    const secrets = this.#read(namespaceId);
    this.#known.set(namespaceId, { secrets, readAtMs: this.#now() });
    secrets.catch(() => this.#known.delete(namespaceId));
    return secrets;
  }

  async #read(namespaceId: number): Promise<readonly Buffer[]> {
    const [row] = await this.#db.read<{ current: Buffer; previous: Buffer | null }>(readStatement, [namespaceId]);
    if (row === undefined) throw new Error(`there is no namespace ${namespaceId}`);
    return row.previous === null ? [row.current] : [row.current, row.previous];
  }
}
