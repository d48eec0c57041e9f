import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { CountFlush } from "../commands/count-accumulator.ts";
import { registerCountMetrics } from "./count-metrics.ts";
import { registerBlockedTime } from "./rule-metrics.ts";
import { registerWorkerMetrics, type WorkerFigures } from "./worker-metrics.ts";

/** The metrics of the engine, beside those of calls. */
export interface EngineMetrics {
  onWebhookStart(call: { readonly outcome: string; readonly durationMs: number }): void;
  onDelivery(outcome: "delivered" | "failed" | "exhausted"): void;
  /** A host has been found away, and is left alone. */
  onHostOpened(): void;
  onLoopError(loop: string): void;
  /** Tasks were handed to workers: in the commit that made these ready, or from a queue. */
  onHandOut(from: "commit" | "queue", tasks: number): void;
  /** Lines of log were kept, and dropped at the bound of their task. */
  onLogLines(kept: number, dropped: number): void;
  /** Rules have let tasks go on that were blocked for so long. */
  onUnblocked(waitsMs: readonly number[]): void;
  /** Counts were written. */
  onCounts(flush: CountFlush): void;
}

/** Registers the metrics of the engine. What is in `read` is asked for when the metrics are. */
export function createEngineMetrics(
  registry: Registry,
  read: WorkerFigures & {
    readonly logFollowers: () => number;
    readonly feedPosition: () => number;
    readonly timerLagSeconds: () => number;
    readonly countsWaiting: () => number;
    readonly openHosts: () => number;
  },
): EngineMetrics {
  const starts = new Histogram({
    name: "millpond_webhook_start_duration_seconds",
    help: "Calls of start webhooks by what they came to.",
    labelNames: ["outcome"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const deliveries = new Counter({
    name: "millpond_deliveries_total",
    help: "Attempts to deliver end notifications by what they came to.",
    labelNames: ["outcome"],
    registers: [registry],
  });
  const onHostOpened = registerHostMetrics(registry, read.openHosts);
  const errors = new Counter({
    name: "millpond_loop_errors_total",
    help: "Steps of background loops that failed and will be tried again.",
    labelNames: ["loop"],
    registers: [registry],
  });
  const handedOut = new Counter({
    name: "millpond_tasks_handed_out_total",
    help: "Tasks that workers were handed, in the commit that made them ready or from a queue.",
    labelNames: ["from"],
    registers: [registry],
  });
  const logLines = new Counter({
    name: "millpond_log_lines_total",
    help: "Lines of log that executors appended: kept, or dropped at the bound of their task.",
    labelNames: ["outcome"],
    registers: [registry],
  });
  new Gauge({
    name: "millpond_log_followers",
    help: "ListLogs calls that wait for a line.",
    registers: [registry],
    collect() {
      this.set(read.logFollowers());
    },
  });
  registerWorkerMetrics(registry, read);
  new Gauge({
    name: "millpond_timer_lag_seconds",
    help: "How long the oldest timer (a start time, a lease, a timeout) is overdue; 0: none is.",
    aggregator: "max",
    registers: [registry],
    collect() {
      this.set(read.timerLagSeconds());
    },
  });
  new Gauge({
    name: "millpond_processes",
    help: "The processes of this server that these figures are the sum of.",
    registers: [registry],
    collect() {
      this.set(1);
    },
  });
  new Gauge({
    name: "millpond_feed_position",
    help: "The number of the newest commit that this server's feed has settled; of several processes, that of the last one.",
    aggregator: "min",
    registers: [registry],
    collect() {
      this.set(read.feedPosition());
    },
  });
  return {
    onWebhookStart: ({ outcome, durationMs }) => starts.observe({ outcome }, durationMs / 1000),
    onDelivery: (outcome) => deliveries.inc({ outcome }),
    onHostOpened,
    onLoopError: (loop) => errors.inc({ loop }),
    onHandOut: (from, tasks) => handedOut.inc({ from }, tasks),
    onLogLines: (kept, dropped) => {
      logLines.inc({ outcome: "kept" }, kept);
      logLines.inc({ outcome: "dropped" }, dropped);
    },
    onUnblocked: registerBlockedTime(registry),
    onCounts: registerCountMetrics(registry, read.countsWaiting),
  };
}

/** Registers the metrics of hosts that webhooks do not reach; answers what to call when one is found. */
function registerHostMetrics(registry: Registry, openHosts: () => number): () => void {
  new Gauge({
    name: "millpond_webhook_hosts_unreached",
    help: "Hosts of webhooks that this server does not reach, and leaves alone but for a trial once in a while.",
    registers: [registry],
    collect() {
      this.set(openHosts());
    },
  });
  const opened = new Counter({
    name: "millpond_webhook_hosts_unreached_total",
    help: "How often a host of webhooks was found not to be reached.",
    registers: [registry],
  });
  return () => opened.inc();
}
