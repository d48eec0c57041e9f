import { Gauge, Histogram, type Registry } from "prom-client";
import type { RuleFigures } from "../store/rule-figures.ts";

/** Registers the time for which rules have blocked tasks; answers what to call, with milliseconds, when they have let some go on. */
export function registerBlockedTime(registry: Registry): (waitsMs: readonly number[]) => void {
  const blocked = new Histogram({
    name: "millpond_task_blocked_seconds",
    help: "How long tasks were blocked by rules, each time that there was room for them.",
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600],
    registers: [registry],
  });
  return (waitsMs) => {
    for (const ms of waitsMs) blocked.observe(ms / 1_000);
  };
}

/**
 * Registers the metrics of rules; `read` is asked when they are. They are figures of the whole database: of several processes, and of several
 * servers, the highest counts.
 */
export function registerRuleMetrics(registry: Registry, read: () => RuleFigures): void {
  const common = { aggregator: "max" as const, registers: [registry] };
  new Gauge({
    ...common,
    name: "millpond_tasks_blocked",
    help: "Tasks that rules block, by name and kind of the rule whose key has no room: at most 100.",
    labelNames: ["rule", "kind"],
    collect() {
      this.reset();
      for (const { rule, kind, tasks } of read().blocked) this.set({ rule, kind }, tasks);
    },
  });
  new Gauge({
    ...common,
    name: "millpond_rule_usage",
    help: "What is taken of the keys of rules, by name of the rule: at most 100.",
    labelNames: ["rule"],
    collect() {
      this.reset();
      for (const { rule, taken } of read().usage) this.set({ rule }, taken);
    },
  });
  new Gauge({
    ...common,
    name: "millpond_rule_slot_drift",
    help: "How far what keys say is taken is from what is held and has started; must be 0.",
    collect() {
      this.set(read().drift);
    },
  });
  new Gauge({
    ...common,
    name: "millpond_tasks_blocked_oldest_seconds",
    help: "How long the task that has been blocked longest is; 0: none is.",
    collect() {
      this.set(read().oldestSeconds);
    },
  });
}
