// Calls one unary method over gRPC as fast as the server answers, with a fixed number of calls in flight on one connection.
import { randomUUID } from "node:crypto";
import { connect } from "node:http2";
import { GrpcCalls } from "../support/grpc-calls.ts";
import { encodeMessage } from "../support/http2-frames.ts";
import { percentile } from "../support/statistics.ts";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** GrpcLoadJob is what this program does. */
export interface GrpcLoadJob {
  readonly url: string;
  /** Such as `/millpond.v1.TaskService/GetTask`. */
  readonly path: string;
  /** The request message, in base64. */
  readonly message: string;
  /** Where in the message a UUID stands that is to be another one in each call. */
  readonly uuidAt?: number;
  readonly inFlight: number;
  /** For how long it calls, after a time that is not measured; or how often. */
  readonly amount: { readonly warmUpMs: number; readonly measureMs: number } | { readonly calls: number };
}

const job = await readJob<GrpcLoadJob>();
const message = Buffer.from(job.message, "base64");
const calls = await GrpcCalls.open(job.url, job.path);
const { amount } = job;
if ("warmUpMs" in amount) await load(during(amount.warmUpMs));
const startedAtMs = monotonicMs();
const latencies = await load("calls" in amount ? times(amount.calls) : during(amount.measureMs));
const seconds = (monotonicMs() - startedAtMs) / 1000;
calls.close();
sayLine({
  ...{ calls: latencies.length, seconds, startedAtMs },
  ...{ p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
});
process.exit();

/** Says whether to go on, until the time is over. */
function during(ms: number): () => boolean {
  const endMs = performance.now() + ms;
  return () => performance.now() < endMs;
}

function times(calls: number): () => boolean {
  let left = calls;
  return () => left-- > 0;
}

async function load(goesOn: () => boolean): Promise<number[]> {
  const taken: number[] = [];
  const lane = async () => {
    while (goesOn()) {
      const sentMs = performance.now();
      await calls.call(requestMessage());
      taken.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: job.inFlight }, lane)).catch(async (error: Error) => {
    throw new Error(`${error.message}; ${await whatIsSaid()}`, { cause: error });
  });
  return taken;
}

function requestMessage(): Buffer {
  if (job.uuidAt === undefined) return message;
  const own = Buffer.from(message);
  own.write(randomUUID(), job.uuidAt, "latin1");
  return own;
}

/** What the server says to a call that is made once more: of the failed one, nothing has been read. */
async function whatIsSaid(): Promise<string> {
  const session = connect(job.url);
  const headers = { ":method": "POST", ":path": job.path, "content-type": "application/grpc", te: "trailers" };
  const received: Record<string, unknown> = {};
  const read = (more: object) => Object.assign(received, more);
  try {
    await new Promise<void>((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request(headers).on("response", read).on("trailers", read);
      stream.on("error", reject).on("close", resolve).resume().end(encodeMessage(requestMessage()));
    });
  } catch (error) {
    return `made once more, it fails: ${String(error)}`;
  } finally {
    session.destroy();
  }
  const text = decodeURIComponent(String(received["grpc-message"] ?? ""));
  return `made once more, ${job.path} answers status ${received["grpc-status"]} ${text}`;
}
