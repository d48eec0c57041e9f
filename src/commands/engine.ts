import type { IdSource } from "../domain/ids.ts";
import type { Database } from "../store/database.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import type { PolicyDictionary } from "../store/policy-dictionary.ts";

/** What every command needs. */
export interface Engine {
  readonly db: Database;
  readonly dictionaries: Dictionaries;
  readonly policies: PolicyDictionary;
  readonly ids: IdSource;
  readonly namespaceId: number;
  /** Told after each commit, with the queues that have something to start. */
  readonly committed: (readyQueues: readonly number[]) => void;
}
