import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { GrpcLoadJob } from "../programs/grpc-load.ts";
import type { BenchContext } from "./bench-context.ts";

/** What a load came to. Latencies are in ms. */
export type LoadResult = {
  readonly calls: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
};

/** encodeRequest encodes a message once for all the calls that send it. */
export function encodeRequest<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  return Buffer.from(toBinary(schema, message));
}

/** loadGrpc calls a unary method for a while, from a process of its own. */
export async function loadGrpc(
  context: BenchContext,
  load: Pick<GrpcLoadJob, "url" | "path" | "inFlight" | "uuidAt"> & { readonly request: Buffer },
): Promise<LoadResult> {
  const { request, ...rest } = load;
  const amount = loadTimes(context);
  const job: GrpcLoadJob = { ...rest, message: request.toString("base64"), amount };
  return await context.run<LoadResult>("grpc-load", job);
}

/** callGrpc calls a unary method a number of times, from a process of its own, and says when it began. */
export async function callGrpc(
  context: BenchContext,
  load: Pick<GrpcLoadJob, "url" | "path" | "inFlight"> & { readonly request: Buffer; readonly calls: number },
): Promise<LoadResult & { readonly startedAtMs: number }> {
  const { request, calls, ...rest } = load;
  const job: GrpcLoadJob = { ...rest, message: request.toString("base64"), amount: { calls } };
  return await context.run<LoadResult & { startedAtMs: number }>("grpc-load", job);
}

/** loadTimes is how long a load goes on. */
export function loadTimes(context: BenchContext): { readonly warmUpMs: number; readonly measureMs: number } {
  return { warmUpMs: context.size(1_000, 200), measureMs: context.size(5_000, 500) };
}
