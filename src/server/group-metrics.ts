import { AggregatorRegistry, type PrometheusContentType, type Registry } from "prom-client";
import type { ProcessMetrics } from "./process-messages.ts";

/** How long the processes may take to tell their metrics. One that takes longer counts with what it told last. */
const answerTimeoutMs = 1_000;

/** A process whose metrics are asked for. */
export interface MeasuredProcess {
  /** Asks it to answer with {@link GroupMetrics.told}. */
  ask(request: number): void;
}

/**
 * GroupMetrics adds up the metrics of the processes of one server. Sums never fall while it runs, as Prometheus takes a counter that falls for one that
 * began anew: counters of a process that has ended stay in them, as it told them last.
 */
export class GroupMetrics {
  readonly #last = new Map<MeasuredProcess, ProcessMetrics>();
  readonly #open = new Map<number, { readonly left: Set<MeasuredProcess>; readonly done: () => void }>();
  #ended: Promise<ProcessMetrics> = Promise.resolve([]);
  #requests = 0;

  /** Asks all processes and answers the sum in the text format of Prometheus. */
  async collect(processes: readonly MeasuredProcess[]): Promise<string> {
    if (processes.length > 0) await this.#ask(processes);
    const alive = processes.map((process) => this.#last.get(process) ?? []);
    return sum([...alive, await this.#ended]).metrics();
  }

  /** Takes the answer of a process. */
  told(process: MeasuredProcess, request: number, metrics: ProcessMetrics): void {
    this.#last.set(process, metrics);
    const open = this.#open.get(request);
    open?.left.delete(process);
    if (open?.left.size === 0) open.done();
  }

  /** Takes note that a process has ended. */
  ended(process: MeasuredProcess): void {
    for (const { left, done } of this.#open.values()) {
      left.delete(process);
      if (left.size === 0) done();
    }
    const last = this.#last.get(process);
    this.#last.delete(process);
    if (last === undefined) return;
    this.#ended = this.#ended.then((before) => sum([before, last.filter(isCumulative)]).getMetricsAsJSON());
  }

  async #ask(processes: readonly MeasuredProcess[]): Promise<void> {
    this.#requests += 1;
    const request = this.#requests;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open.set(request, { left: new Set(processes), done: resolve });
    const timer = setTimeout(resolve, answerTimeoutMs);
    for (const process of processes) process.ask(request);
    await promise;
    clearTimeout(timer);
    this.#open.delete(request);
  }
}

function sum(metrics: readonly ProcessMetrics[]): Registry<PrometheusContentType> {
  return AggregatorRegistry.aggregate<PrometheusContentType>([...metrics]);
}

/** Its type is a word in what a registry answers, though the library's types call it a number. */
function isCumulative({ type }: ProcessMetrics[number]): boolean {
  return ["counter", "histogram"].includes(String(type));
}
