import type { Rule } from "./rule.ts";
import type { Micros } from "./task.ts";

/** A dependency that is not settled. */
export interface UnmetDependency {
  readonly id: bigint;
  readonly key: string | null;
  readonly status: number;
  readonly condition: number;
}

/** A task that holds a slot of a key. */
export interface RuleHolder {
  readonly taskId: bigint;
  /** 1, or its remaining work. */
  readonly amount: bigint;
  readonly holdTime: Micros;
}

/** One thing that keeps a task from running. */
export type Blocker =
  | { readonly case: "paused"; readonly task: boolean; readonly batch: boolean }
  | {
      readonly case: "dependencies";
      readonly unmetCount: bigint;
      readonly totalCount: bigint;
      readonly parents: readonly UnmetDependency[];
    }
  | { readonly case: "startTime"; readonly time: Micros }
  | {
      readonly case: "rule";
      readonly rule: Rule;
      readonly key: string;
      readonly inUse: bigint;
      readonly holders: readonly RuleHolder[];
      readonly queuePosition: bigint;
      /** When a rate has room again. */
      readonly freeTime: Micros | null;
    }
  | {
      readonly case: "noWorker";
      readonly kind: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly kindCount: number;
      readonly matchingCount: number;
    }
  | { readonly case: "unreachedHost"; readonly host: string; readonly retryTime: Micros }
  | { readonly case: "queue"; readonly aheadCount: bigint };
