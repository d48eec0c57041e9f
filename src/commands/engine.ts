import type { IdSource } from "../domain/ids.ts";
import type { Database } from "../store/database.ts";
import type { DedupeShapes } from "../store/dedupe-shapes.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import type { RetryPolicies } from "../store/retry-policies.ts";

/** What every command needs. */
export interface Engine {
  readonly db: Database;
  readonly dictionaries: Dictionaries;
  readonly retryPolicies: RetryPolicies;
  readonly dedupeShapes: DedupeShapes;
  readonly ids: IdSource;
  readonly namespaceId: number;
  /** Told after each commit, with the queues that have something to start; 0 among them: webhooks are to be delivered. */
  readonly committed: (readyQueues: readonly number[]) => void;
}
