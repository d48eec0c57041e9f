import { create, toJsonString } from "@bufbuild/protobuf";
import { CreateTasksRequestSchema } from "@millpond/sdk";
import { rawInsertRate } from "../limits/raw-insert.ts";
import { createWithArcRun, startArcRun } from "../peers/arcrun.ts";
import type { JsonLoadJob } from "../programs/json-load.ts";
import type { Bar, BenchCase, Figure, Measured, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { plainGraph } from "../support/bench-graphs.ts";
import { encodeRequest, type LoadResult, loadGrpc, loadTimes } from "../support/grpc-load.ts";
import { published } from "./published-figures.ts";

const path = "/millpond.v1.TaskService/CreateTasks";
const inFlightOf = [1, 16, 64] as const;
const arcRunLoad = { tasks: 1, layers: 1, connections: 64 };
const placeholder = "00000000-0000-4000-8000-000000000000";

/** One task per CreateTasks call. */
export const createOne: BenchCase = {
  name: "create",
  title: "Create: one task per call",
  about:
    "CreateTasks with one task (metadata and input of 120 bytes each) in a new batch, each call a durable commit. gRPC: calls in flight on one HTTP/2 connection. " +
    "JSON: as many keep-alive connections of HTTP/1.1. Without `request_id`, except where named (the SDK always sends one). ArcRun: a POST of one such task, as JSON. " +
    "The load generators, which share the processor with what they measure, speak HTTP/2 and HTTP/1.1 themselves, with no more work than that needs.",
  figures: figures(),
  open,
};

function figures(): Figure[] {
  const timesArcRun = (times: number): Bar => ({
    ...{ kind: "value", value: times * published.arcRunCreates },
    beside: [{ of: "arcrun64", value: published.arcRunCreates }],
  });
  const against = ["raw64", "arcrun64"];
  const rate = { unit: "tasks/s", better: "more" } as const;
  const latency = { unit: "ms", better: "less" } as const;
  return [
    { id: "grpc1", title: "gRPC, 1 in flight", ...rate, against: ["raw1"] },
    { id: "grpc16", title: "gRPC, 16 in flight", ...rate, against: ["raw16"] },
    { id: "grpc64", title: "gRPC, 64 in flight", ...rate, bar: timesArcRun(5), against },
    { id: "grpc64id", title: "gRPC, 64 in flight, with request_id", ...rate, against: ["raw64"] },
    { id: "json64", title: "JSON, 64 connections", ...rate, bar: timesArcRun(3), against },
    { id: "grpc1p99", title: "gRPC, 1 in flight: p99", ...latency },
    { id: "grpc64p99", title: "gRPC, 64 in flight: p99", ...latency },
    { id: "json64p99", title: "JSON, 64 connections: p99", ...latency },
    { id: "arcrun64", title: "ArcRun, 64 connections", ...rate },
    { id: "raw1", title: "limit: one-row INSERT, 1 connection", unit: "rows/s", better: "more" },
    { id: "raw16", title: "limit: one-row INSERT, 16 connections", unit: "rows/s", better: "more" },
    { id: "raw64", title: "limit: one-row INSERT, 64 connections", unit: "rows/s", better: "more" },
  ];
}

async function open(context: BenchContext): Promise<Part[]> {
  const { url } = await context.startServer(await context.createDatabase("server"));
  const rawUrl = await context.createDatabase("raw");
  const arcRun = await startArcRun(context);
  const request = plainGraph({ tasks: 1, kind: "bench.create", payload: "usual" }).toRequest();
  const plain = encodeRequest(CreateTasksRequestSchema, request);
  const withId = encodeRequest(
    CreateTasksRequestSchema,
    create(CreateTasksRequestSchema, { ...request, requestId: placeholder }),
  );
  const load = (inFlight: number) => loadGrpc(context, { url, path, request: plain, inFlight });
  // The server's first calls are slow: nobody asks how slow.
  await load(16);
  const grpc = inFlightOf.map(
    (inFlight): Part => ({
      name: `Millpond, gRPC, ${inFlight} in flight`,
      measure: async () => figuresOf(`grpc${inFlight}`, await load(inFlight)),
    }),
  );
  const limits = inFlightOf.map(
    (connections): Part => ({
      name: `one-row INSERT, ${connections} connections`,
      measure: async () => ({
        [`raw${connections}`]: await rawInsertRate(context, { url: rawUrl, connections, rowsPerStatement: 1 }),
      }),
    }),
  );
  const grpcWithId = async () => {
    const uuidAt = withId.indexOf(placeholder);
    return figuresOf("grpc64id", await loadGrpc(context, { url, path, request: withId, inFlight: 64, uuidAt }));
  };
  const json = async () => {
    const body = toJsonString(CreateTasksRequestSchema, request);
    const job: JsonLoadJob = {
      ...{ url, path, method: "POST", body, status: 200, connections: 64 },
      ...loadTimes(context),
    };
    return figuresOf("json64", await context.run<LoadResult>("json-load", job));
  };
  return [
    ...grpc,
    { name: "Millpond, gRPC, 64 in flight, request_id", measure: grpcWithId },
    { name: "Millpond, JSON, 64 connections", measure: json },
    {
      name: "ArcRun, 64 connections",
      measure: async () => ({ arcrun64: await createWithArcRun(context, arcRun, arcRunLoad) }),
    },
    ...limits,
  ];
}

function figuresOf(id: string, { calls, seconds, p99 }: LoadResult): Measured {
  return { [id]: calls / seconds, [`${id}p99`]: p99 };
}
