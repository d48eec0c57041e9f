import { createHash } from "node:crypto";
import { MillpondError } from "../domain/errors.ts";
import type { RetryPolicy } from "../domain/retry-policy.ts";
import type { Database, Statement } from "./database.ts";

const addPolicyStatement: Statement = {
  name: "add_retry_policy",
  text: `insert into retry_policy (max_attempts, initial_backoff_ms, multiplier, increment_ms, max_backoff_ms, jitter, causes, non_retryable_codes, digest)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing`,
};
const findPolicyStatement: Statement = {
  name: "find_retry_policy",
  text: "select id from retry_policy where digest = $1",
};
const addShapesStatement: Statement = {
  name: "add_dedupe_shapes",
  text: "select mp_add_dedupe_shapes($1, $2, $3)",
};
const shapesStatement: Statement = {
  name: "dedupe_shapes",
  text: "select id, kind, fields from dedupe_shape where namespace_id = $1",
};

const policiesCachedMax = 10_000;
/** Sets of fields that matchers of a namespace may compare, over all kinds. */
const shapesMax = 1_000;

/** What matchers compare: some fields of the metadata of a kind, sorted. */
export interface Shape {
  readonly kind: string;
  readonly fields: readonly string[];
}

/** The dictionaries of retry policies and of shapes of deduplication, cached: both only ever grow. */
export class PolicyDictionary {
  readonly #db: Database;
  readonly #policies = new Map<string, number>();
  readonly #shapes = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** The ids of policies, made where they are missing; in the order asked for. */
  async internPolicies(policies: readonly (RetryPolicy | null)[]): Promise<(number | null)[]> {
    const ids: (number | null)[] = [];
    for (const policy of policies) ids.push(policy === null ? null : await this.#internPolicy(policy));
    return ids;
  }

  async #internPolicy(policy: RetryPolicy): Promise<number> {
    const values = [
      ...[policy.maxAttempts, policy.initialBackoffMs, policy.multiplier, policy.incrementMs, policy.maxBackoffMs],
      ...[policy.jitter, policy.causes, policy.nonRetryableCodes],
    ];
    const key = JSON.stringify(values);
    const cached = this.#policies.get(key);
    if (cached !== undefined) return cached;
    const digest = createHash("sha256").update(key).digest("hex");
    const find = () => this.#db.read<{ id: number }>(findPolicyStatement, [digest]);
    let [row] = await find();
    if (row === undefined) {
      await this.#db.write(addPolicyStatement, [...values, digest]);
      [row] = await find();
    }
    if (row === undefined) throw new Error("a retry policy was not found after it was written");
    this.#policies.set(key, row.id);
    if (this.#policies.size > policiesCachedMax) this.#policies.delete(this.#policies.keys().next().value as string);
    return row.id;
  }

  /** The ids of shapes, made where they are missing; in the order asked for. Fails with LIMIT_EXCEEDED. */
  async internShapes(namespaceId: number, shapes: readonly Shape[]): Promise<number[]> {
    const keys = shapes.map((shape) => shapeKey(namespaceId, shape));
    if (keys.some((key) => !this.#shapes.has(key))) await this.#loadShapes(namespaceId);
    const missing = new Map(
      shapes.flatMap((shape, n) => (this.#shapes.has(keys[n] as string) ? [] : [[keys[n] as string, shape] as const])),
    );
    if (missing.size > 0) {
      if (this.#shapes.size + missing.size > shapesMax) throw tooManyShapes();
      const rows = [...missing.values()];
      await this.#db.write(addShapesStatement, [
        namespaceId,
        rows.map((row) => row.kind),
        rows.map((row) => textArray(row.fields)),
      ]);
      await this.#loadShapes(namespaceId);
    }
    return keys.map((key) => this.#shapes.get(key) as number);
  }

  async #loadShapes(namespaceId: number): Promise<void> {
    for (const row of await this.#db.read<Shape & { id: number }>(shapesStatement, [namespaceId]))
      this.#shapes.set(shapeKey(namespaceId, row), row.id);
  }
}

function shapeKey(namespaceId: number, { kind, fields }: Shape): string {
  return JSON.stringify([namespaceId, kind, fields]);
}

/** An array of texts as PostgreSQL reads it. */
function textArray(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

function tooManyShapes(): MillpondError {
  const message = `matchers compare ${shapesMax} different sets of fields and kinds already; use the fields of another matcher`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(shapesMax) } });
}
