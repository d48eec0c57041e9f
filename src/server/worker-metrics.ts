import { Gauge, type Registry } from "prom-client";

/** What is known of workers when the metrics are asked for. */
export interface WorkerFigures {
  readonly waitingWorkers: () => number;
  readonly workerStreams: () => number;
  readonly workerAttempts: () => number;
}

/** Registers the metrics of workers. */
export function registerWorkerMetrics(registry: Registry, read: WorkerFigures): void {
  new Gauge({
    name: "millpond_claims_waiting",
    help: "ClaimTasks calls, and places of workers with streams (up to two for each), that wait for a task.",
    registers: [registry],
    collect() {
      this.set(read.waitingWorkers());
    },
  });
  new Gauge({
    name: "millpond_worker_streams",
    help: "Workers that are connected by a stream.",
    registers: [registry],
    collect() {
      this.set(read.workerStreams());
    },
  });
  new Gauge({
    name: "millpond_worker_attempts",
    help: "Attempts that workers with streams have.",
    registers: [registry],
    collect() {
      this.set(read.workerAttempts());
    },
  });
}
