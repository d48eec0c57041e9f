import type { IdSource } from "../domain/ids.ts";
import type { Report } from "../domain/report.ts";
import type { CallGroups } from "../lib/call-groups.ts";
import type { CreatedGraph, NewGraph } from "../store/create-tasks.ts";
import type { DedupeShapes } from "../store/dedupe-shapes.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import type { Flows } from "../store/flows.ts";
import type { Lanes } from "../store/lanes.ts";
import type { AppendedLines, NewLines } from "../store/logs.ts";
import type { RetryPolicies } from "../store/retry-policies.ts";
import type { SharedSpecs } from "../store/shared-specs.ts";
import type { Turns } from "../store/turns.ts";
import type { CountAccumulator } from "./count-accumulator.ts";
import type { WriteDeps, WrittenReports } from "./write-deps.ts";

/** What every command needs. */
export interface Engine extends WriteDeps {
  readonly dictionaries: Dictionaries;
  readonly retryPolicies: RetryPolicies;
  readonly dedupeShapes: DedupeShapes;
  readonly lanes: Lanes;
  readonly flows: Flows;
  readonly turns: Turns;
  readonly sharedSpecs: SharedSpecs;
  readonly ids: IdSource;
  readonly namespaceId: number;
  /** Graphs in batches of their own, and reports: those of several calls are written together. */
  readonly creates: CallGroups<NewGraph, CreatedGraph>;
  readonly reports: CallGroups<readonly Report[], WrittenReports>;
  /** Lines of logs, likewise. */
  readonly logs: Pick<CallGroups<NewLines, AppendedLines>, "submit">;
  /** Counts of all streams and calls. */
  readonly counts: CountAccumulator;
}
