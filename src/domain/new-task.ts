import type { DedupeMatcher } from "./dedupe-matcher.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { Rule } from "./rule.ts";
import type { Micros } from "./task.ts";
import type { RequestedEdge } from "./task-graph.ts";

/** A task to be created. JSON parts are texts. */
export interface NewTask {
  readonly key: string;
  readonly name: string;
  readonly kind: string;
  readonly execution: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Where its start webhook leads, as `hostKey` says; empty: it has none. */
  readonly host: string;
  readonly dependencies: readonly RequestedEdge[];
  readonly unmetPolicy: number;
  readonly priority: number;
  readonly metadata: string | null;
  readonly input: string | null;
  /** The rest of what was given, as ProtoJSON. */
  readonly spec: string | null;
  readonly expectedCount: bigint | null;
  readonly startTime: Micros | null;
  readonly startTimeoutMs: number;
  readonly inactivityTimeoutMs: number;
  readonly executionTimeoutMs: number | null;
  readonly totalTimeoutMs: number | null;
  readonly retry: RetryPolicy | null;
  readonly dedupe: readonly DedupeMatcher[];
  /** Each goes with its metadata and expected_count. */
  readonly rules: readonly Rule[];
  /** `valuesText` of the metadata fields that the rules read, where it is known already. */
  readonly ruleValues?: string | undefined;
  /** How many webhooks follow its end, by how it ended. */
  readonly onSuccess: number;
  readonly onFailure: number;
  readonly onCancel: number;
  readonly critical: boolean;
  readonly onlyForDependents: boolean;
  /** With whom it takes turns; empty: with nobody of its own. */
  readonly fairnessKey: string;
  /** How many of its key are started in a turn; 1 where nothing is given. */
  readonly fairnessWeight: number;
}
