import { create } from "@bufbuild/protobuf";
import { createClient, GetTaskRequestSchema } from "@millpond/sdk";
import { readWithArcRun, startArcRun } from "../peers/arcrun.ts";
import type { Bar, BenchCase, Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { plainGraph } from "../support/bench-graphs.ts";
import { encodeRequest, loadGrpc } from "../support/grpc-load.ts";
import { published } from "./published-figures.ts";

/** Beside a call that does nothing too: it is there in every run, and tells how fast the machine is without a database. */
const getTaskBar: Bar = {
  ...{ kind: "value", value: 10_000 },
  beside: [
    { of: "arcrun", value: published.arcRunReads },
    { of: "grpcJs", value: published.grpcJsCalls },
  ],
};
const healthCheck = "/grpc.health.v1.Health/Check";

/** Reading a task, and a call that does nothing. */
export const read: BenchCase = {
  name: "read",
  title: "Read a task, and a call that does nothing",
  about:
    "64 calls in flight on one HTTP/2 connection. The call that does nothing is the health check, through all interceptors; beside it a method of plain grpc-js that answers two bytes. " +
    "The same load generator for all, but for ArcRun: 64 keep-alive connections of HTTP/1.1.",
  figures: [
    {
      ...{ id: "getTask", title: "GetTask", unit: "calls/s", better: "more" },
      ...{ bar: getTaskBar, against: ["arcrun"] },
    },
    { id: "getTaskP99", title: "GetTask: p99", unit: "ms", better: "less" },
    {
      ...{ id: "health", title: "health check", unit: "calls/s", better: "more" },
      ...{ bar: { kind: "share", of: "grpcJs", times: 0.5 }, against: ["grpcJs"] },
    },
    { id: "arcrun", title: "ArcRun, GET of a task", unit: "calls/s", better: "more" },
    { id: "grpcJs", title: "limit: grpc-js, no-op", unit: "calls/s", better: "more" },
  ],
  open,
};

async function open(context: BenchContext): Promise<Part[]> {
  const { url } = await context.startServer(await context.createDatabase("server"));
  const arcRun = await startArcRun(context);
  const grpcJs = await context.start({ module: "grpc-js-server" }, {});
  const { url: grpcJsUrl } = await grpcJs.next<{ url: string }>();
  const getTask = encodeRequest(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId: await createTask(url) }));
  const nothing = Buffer.alloc(0);
  const load = (target: { url: string; path: string; request: Buffer }) =>
    loadGrpc(context, { ...target, inFlight: 64 });
  // The first calls are slow: nobody asks how slow.
  for (const address of [url, grpcJsUrl]) await load({ url: address, path: healthCheck, request: nothing });
  return [
    {
      name: "Millpond, GetTask",
      async measure() {
        const { calls, seconds, p99 } = await load({ url, path: "/millpond.v1.TaskService/GetTask", request: getTask });
        return { getTask: calls / seconds, getTaskP99: p99 };
      },
    },
    {
      name: "ArcRun, GET of a task",
      measure: async () => ({ arcrun: await readWithArcRun(context, arcRun, { connections: 64 }) }),
    },
    {
      name: "Millpond, health check",
      async measure() {
        const { calls, seconds } = await load({ url, path: healthCheck, request: nothing });
        return { health: calls / seconds };
      },
    },
    {
      name: "grpc-js, no-op",
      async measure() {
        const { calls, seconds } = await load({ url: grpcJsUrl, path: healthCheck, request: nothing });
        return { grpcJs: calls / seconds };
      },
    },
  ];
}

async function createTask(address: string): Promise<string> {
  const client = createClient({ address });
  try {
    const graph = plainGraph({ tasks: 1, kind: "bench.read", payload: "usual" });
    const { tasks } = await client.tasks.createTasks(graph.toRequest());
    return tasks[0]?.taskId ?? "";
  } finally {
    client.close();
  }
}
