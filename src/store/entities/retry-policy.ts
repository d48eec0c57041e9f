import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, smallints, texts } from "./column-kinds.ts";

/** RetryPolicy is how failed attempts are repeated; equal ones are stored once. */
export const RetryPolicy = defineEntity({
  name: "RetryPolicy",
  tableName: "retry_policy",
  properties: {
    id: p.integer().primary().generated("identity"),
    maxAttempts: p.smallint(),
    initialBackoffMs: bigint(),
    multiplier: p.double(),
    incrementMs: bigint(),
    maxBackoffMs: bigint(),
    jitter: p.double(),
    causes: smallints(),
    nonRetryableCodes: texts(),
    digest: p.text(),
  },
  uniques: [{ name: "retry_policy_digest_key", properties: ["digest"] }],
  checks: [{ name: "retry_policy_attempts", expression: "max_attempts >= 1" }],
});
