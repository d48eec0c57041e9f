import type { CutProxy } from "../../../test/support/cut-proxy.ts";
import type { ConformanceServer } from "./conformance-server.ts";
import type { SdkLanguage } from "./languages.ts";
import type { RunnerProcess } from "./runner-process.ts";
import type { Variables } from "./variables.ts";

/** CaseContext is what the steps of one case have in common. */
export interface CaseContext {
  readonly language: SdkLanguage;
  readonly runner: RunnerProcess;
  readonly server: ConformanceServer;
  /** Stands between the runner and the server; the case's own. */
  readonly proxy: Omit<CutProxy, typeof Symbol.asyncDispose> & {
    /** Breaks the next connection on which an answer comes, before it gets through. */
    loseAnswer(): void;
  };
  readonly variables: Variables;
  /** What has been begun and not been waited for, by name. */
  readonly background: Map<string, Promise<Record<string, unknown>>>;
  /** The keys of the case's tasks, by id. */
  readonly keys: Map<string, string>;
  /** A name of the case's in the runner: other cases use the same ones. */
  scoped(name: string): string;
  /** Is called when the case is over, whatever came of it. */
  onEnd(cleanUp: () => Promise<unknown>): void;
}
