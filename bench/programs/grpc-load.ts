// Calls one unary method over gRPC as fast as the server answers, with a fixed number of calls in flight on one connection.
import { randomUUID } from "node:crypto";
import { type ClientHttp2Session, connect, constants } from "node:http2";
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
const headers = {
  [constants.HTTP2_HEADER_METHOD]: "POST",
  [constants.HTTP2_HEADER_PATH]: job.path,
  "content-type": "application/grpc",
  te: "trailers",
};
const session = connect(job.url, { settings: { initialWindowSize: 4 * 1024 * 1024 } });
session.on("connect", () => session.setLocalWindowSize(64 * 1024 * 1024));
const { amount } = job;
if ("warmUpMs" in amount) await load(during(amount.warmUpMs));
const startedAtMs = monotonicMs();
const latencies = await load("calls" in amount ? times(amount.calls) : during(amount.measureMs));
const seconds = (monotonicMs() - startedAtMs) / 1000;
session.close();
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
      await call(session);
      taken.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: job.inFlight }, lane));
  return taken;
}

function call(on: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = on.request(headers);
    let status: unknown;
    let text: unknown;
    const read = (received: Record<string, unknown>) => {
      status ??= received["grpc-status"];
      text ??= received["grpc-message"];
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("error", reject);
    stream.on("close", () => {
      if (status === "0") resolve();
      else reject(new Error(`${job.path} answered status ${status}: ${decodeURIComponent(String(text ?? ""))}`));
    });
    stream.resume();
    stream.end(frame());
  });
}

function frame(): Buffer {
  const framed = Buffer.allocUnsafe(5 + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, 5);
  if (job.uuidAt !== undefined) framed.write(randomUUID(), 5 + job.uuidAt, "latin1");
  return framed;
}
