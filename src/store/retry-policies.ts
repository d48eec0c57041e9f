import { createHash } from "node:crypto";
import { MillpondError } from "../domain/errors.ts";
import type { RetryPolicy } from "../domain/retry-policy.ts";
import type { Database, Statement } from "./database.ts";

const addStatement: Statement = {
  name: "add_retry_policies",
  text: `insert into retry_policy (max_attempts, initial_backoff_ms, multiplier, increment_ms, max_backoff_ms, jitter, causes, non_retryable_codes, digest)
    select x.max_attempts, x.initial, x.multiplier, x.increment, x.max_backoff, x.jitter, x.causes::smallint[], array(select jsonb_array_elements_text(x.codes::jsonb)), x.digest
    from unnest($1::smallint[], $2::bigint[], $3::float8[], $4::bigint[], $5::bigint[], $6::float8[], $7::text[], $8::text[], $9::text[])
      x(max_attempts, initial, multiplier, increment, max_backoff, jitter, causes, codes, digest)
    order by x.digest on conflict do nothing`,
};
const findStatement: Statement = {
  name: "find_retry_policies",
  text: "select id, digest from retry_policy where digest = any ($1)",
};
const newestStatement: Statement = { name: "newest_retry_policy", text: "select max(id) id from retry_policy" };

const cachedMax = 10_000;
/** Different policies that a database may have in all. */
const policiesMax = 100_000;

/** The dictionary of retry policies, cached: it only ever grows. */
export class RetryPolicies {
  readonly #db: Database;
  readonly #ids = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** The ids of policies, made where they are missing; in the order asked for. Fails with LIMIT_EXCEEDED. */
  async intern(policies: readonly (RetryPolicy | null)[]): Promise<(number | null)[]> {
    const digests = policies.map((policy) => (policy === null ? null : digestOf(policy)));
    const missing = new Map<string, RetryPolicy>();
    for (const [n, digest] of digests.entries())
      if (digest !== null && !this.#ids.has(digest)) missing.set(digest, policies[n] as RetryPolicy);
    const found = missing.size === 0 ? this.#ids : await this.#load(missing);
    return digests.map((digest) =>
      digest === null ? null : (found.get(digest) ?? this.#ids.get(digest) ?? fail(digest)),
    );
  }

  async #load(wanted: ReadonlyMap<string, RetryPolicy>): Promise<ReadonlyMap<string, number>> {
    let found = await this.#find([...wanted.keys()]);
    const unknown = [...wanted].filter(([digest]) => !found.has(digest));
    if (unknown.length > 0) {
      const [newest] = await this.#db.read<{ id: number | null }>(newestStatement, []);
      if ((newest?.id ?? 0) + unknown.length > policiesMax) throw tooMany();
      await this.#add(unknown);
      found = await this.#find([...wanted.keys()]);
    }
    for (const [digest, id] of found) this.#ids.set(digest, id);
    for (const digest of this.#ids.keys()) {
      if (this.#ids.size <= cachedMax) break;
      this.#ids.delete(digest);
    }
    return found;
  }

  async #find(digests: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#db.read<{ id: number; digest: string }>(findStatement, [digests]);
    return new Map(rows.map((row) => [row.digest, row.id]));
  }

  async #add(policies: readonly (readonly [digest: string, policy: RetryPolicy])[]): Promise<void> {
    const column = <K extends keyof RetryPolicy>(name: K): RetryPolicy[K][] =>
      policies.map(([, policy]) => policy[name]);
    await this.#db.write(addStatement, [
      ...(["maxAttempts", "initialBackoffMs", "multiplier", "incrementMs", "maxBackoffMs", "jitter"] as const).map(
        column,
      ),
      column("causes").map((causes) => `{${causes.join(",")}}`),
      column("nonRetryableCodes").map((codes) => JSON.stringify(codes)),
      policies.map(([digest]) => digest),
    ]);
  }
}

function digestOf(policy: RetryPolicy): string {
  const { maxAttempts, initialBackoffMs, multiplier, incrementMs, maxBackoffMs, jitter, causes, nonRetryableCodes } =
    policy;
  const values = [
    maxAttempts,
    initialBackoffMs,
    multiplier,
    incrementMs,
    maxBackoffMs,
    jitter,
    causes,
    nonRetryableCodes,
  ];
  return createHash("sha256").update(JSON.stringify(values)).digest("hex");
}

function tooMany(): MillpondError {
  const message = `the tasks of this database have ${policiesMax} different retry policies already; use one of them`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(policiesMax) } });
}

function fail(digest: string): never {
  throw new Error(`retry policy ${digest} was not found after it was written`);
}
