import { Gauge, type Registry } from "prom-client";
import type { WatchFigures } from "../events/watch-source.ts";

/** Registers the metrics of watchers. What is in `read` is asked for when the metrics are. */
export function registerWatchMetrics(registry: Registry, read: () => WatchFigures): void {
  new Gauge({
    name: "millpond_watchers",
    help: "WatchEvents streams: carried together because they keep up, or reading the feed alone, at their own pace.",
    labelNames: ["pace"],
    registers: [registry],
    collect() {
      const { together, alone } = read();
      this.set({ pace: "together" }, together);
      this.set({ pace: "alone" }, alone);
    },
  });
  new Gauge({
    name: "millpond_watch_lag_commits",
    help: "How many commits the slowest WatchEvents stream is behind what is settled; 0: all have been sent everything.",
    aggregator: "max",
    registers: [registry],
    collect() {
      this.set(read().commitsBehind);
    },
  });
}
