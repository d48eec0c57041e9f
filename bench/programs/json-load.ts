// Sends one request, a POST of JSON or a GET, over HTTP/1.1 again and again: one in flight on each of some keep-alive connections.
import { HttpCalls } from "../support/http-calls.ts";
import { percentile } from "../support/statistics.ts";
import { readJob, sayLine } from "./program-job.ts";

/** JsonLoadJob is what this program does. */
export interface JsonLoadJob {
  readonly url: string;
  readonly path: string;
  readonly method: "POST" | "GET";
  /** The body of each POST. */
  readonly body?: string;
  /** What each request must be answered with. */
  readonly status: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const job = await readJob<JsonLoadJob>();
const connections = Array.from({ length: job.connections }, () => new HttpCalls(job));
await load(job.warmUpMs);
const startMs = performance.now();
const latencies = await load(job.measureMs);
const seconds = (performance.now() - startMs) / 1000;
sayLine({ calls: latencies.length, seconds, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) });
process.exit();

async function load(forMs: number): Promise<number[]> {
  const endMs = performance.now() + forMs;
  const taken: number[] = [];
  const lane = async (connection: HttpCalls) => {
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      const { status, body } = await connection.call();
      if (status !== job.status) throw new Error(`${job.path} answered ${status}: ${body().slice(0, 500)}`);
      taken.push(performance.now() - sentMs);
    }
  };
  await Promise.all(connections.map(lane));
  return taken;
}
