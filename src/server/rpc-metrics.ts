import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { codeName } from "./code-name.ts";

/** RpcMetrics counts calls by service, method and status code. */
export interface RpcMetrics {
  /** A call has begun. */
  started(method: DescMethod): void;
  /** A call that began has ended: with an error's code, or undefined. */
  ended(method: DescMethod, end: { code: Code | undefined; durationMs: number }): void;
  /** A call ended before its request was decoded. */
  refused(method: DescMethod, code: Code): void;
}

/** Seconds: from a cached read to a long poll. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Creates the registry that `/metrics` shows, with Node.js's own figures of the process in it. */
export function createMetricsRegistry(): Registry {
  const registry = new Registry();
  // The default looks at the event loop a hundred times a second, which is two of three times that an idle server wakes. Of the delays that are shown, these 100 ms are a part.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  return registry;
}

/** Registers the metrics of calls. A registry takes them once. */
export function createRpcMetrics(registry: Registry): RpcMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: "millpond_rpc_requests_total",
    help: "Calls that have ended, by status code.",
    labelNames: ["service", "method", "code"],
    registers,
  });
  const duration = new Histogram({
    name: "millpond_rpc_duration_seconds",
    help: "How long calls took, from their decoded request to their last message.",
    labelNames: ["service", "method"],
    buckets: durationBuckets,
    registers,
  });
  const byMethod = new Map<DescMethod, MethodMetrics>();
  new Gauge({
    name: "millpond_rpc_in_flight",
    help: "Calls under way, open streams included.",
    labelNames: ["service", "method"],
    registers,
    collect() {
      for (const { labels, inFlight } of byMethod.values()) this.set(labels, inFlight);
    },
  });

  function of(method: DescMethod): MethodMetrics {
    let metrics = byMethod.get(method);
    if (metrics === undefined) {
      const labels = { service: method.parent.typeName, method: method.name };
      metrics = { labels, inFlight: 0, withCode: new Map() };
      byMethod.set(method, metrics);
    }
    return metrics;
  }

  function count({ labels, withCode }: MethodMetrics, code: Code | undefined): void {
    let labelsWithCode = withCode.get(code);
    if (labelsWithCode === undefined) {
      labelsWithCode = { ...labels, code: codeName(code) };
      withCode.set(code, labelsWithCode);
    }
    requests.inc(labelsWithCode);
  }

  return {
    started: (method) => void of(method).inFlight++,
    ended(method, { code, durationMs }) {
      const metrics = of(method);
      metrics.inFlight--;
      duration.observe(metrics.labels, durationMs / 1000);
      count(metrics, code);
    },
    refused: (method, code) => count(of(method), code),
  };
}

/** What is kept of a method, so that a call makes no labels. */
interface MethodMetrics {
  readonly labels: { readonly service: string; readonly method: string };
  readonly withCode: Map<
    Code | undefined,
    { readonly service: string; readonly method: string; readonly code: string }
  >;
  inFlight: number;
}
