import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { CountFlush } from "../commands/count-accumulator.ts";

/** Registers the metrics of AddCounts and StreamCounts. Answers what is to be told of each write; `waiting` is asked for when the metrics are. */
export function registerCountMetrics(registry: Registry, waiting: () => number): (flush: CountFlush) => void {
  const counts = new Counter({
    name: "millpond_counts_total",
    help: "Items of AddCounts and StreamCounts that were added to a task's counters, or refused.",
    labelNames: ["outcome"],
    registers: [registry],
  });
  const flushes = new Histogram({
    name: "millpond_count_flush_tasks",
    help: "Tasks whose counters were written by one transaction.",
    buckets: [1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000],
    registers: [registry],
  });
  new Gauge({
    name: "millpond_counts_waiting",
    help: "Items of AddCounts and StreamCounts that wait to be written, or are being written.",
    registers: [registry],
    collect() {
      this.set(waiting());
    },
  });
  return ({ tasks, items, refusedItems }) => {
    counts.inc({ outcome: "added" }, items - refusedItems);
    counts.inc({ outcome: "refused" }, refusedItems);
    flushes.observe(tasks);
  };
}
