import type { Registry } from "prom-client";

/** The metrics of one process, as the library of metrics adds them up. */
export type ProcessMetrics = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** What a process of a group tells the first one, over their IPC channel. */
export type FromProcess =
  | { readonly case: "listening"; readonly url: string; readonly port: number }
  /** It could not start, for a reason that a person has to mend. */
  | { readonly case: "failed"; readonly message: string }
  /** Somebody asked it for the metrics of all. */
  | { readonly case: "all-metrics"; readonly request: number }
  | { readonly case: "metrics"; readonly request: number; readonly metrics: ProcessMetrics };

/** What the first process of a group tells the others. */
export type ToProcess =
  /** Stop in good order. */
  | { readonly case: "stop" }
  | { readonly case: "metrics"; readonly request: number }
  | { readonly case: "all-metrics"; readonly request: number; readonly text: string };
