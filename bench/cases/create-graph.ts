import { CreateTasksRequestSchema } from "@millpond/sdk";
import { rawInsertRate } from "../limits/raw-insert.ts";
import { createWithArcRun, startArcRun } from "../peers/arcrun.ts";
import type { SdkUploadJob } from "../programs/sdk-upload.ts";
import { type Bar, type BenchCase, type Figure, NotRun, type Part } from "../support/bench-case.ts";
import type { BenchContext } from "../support/bench-context.ts";
import { layeredGraph } from "../support/bench-graphs.ts";
import { encodeRequest, loadGrpc } from "../support/grpc-load.ts";
import { residentBytes } from "../support/process-usage.ts";
import { countRows } from "../support/table-sizes.ts";
import { published } from "./published-figures.ts";

const path = "/millpond.v1.TaskService/CreateTasks";
const graphTasks = 1_000;
const layers = 10;
const inFlightOf = [1, 4] as const;
const mebibyte = 1024 ** 2;

/** Graphs of a thousand tasks, and one of a hundred thousand. */
export const createGraphs: BenchCase = {
  name: "create-graph",
  title: "Create: graphs",
  about:
    "CreateTasks with graphs of 1,000 tasks in 10 layers, two parents each, over gRPC; rows written are counted in all tables. " +
    "UploadTasks of 100,000 such tasks through the SDK (10,000 in a quick run), each time on a fresh server, with that server's peak memory. " +
    "ArcRun: the same graphs of 1,000, as JSON.",
  figures: figures(),
  open,
};

function figures(): Figure[] {
  const bar: Bar = {
    ...{ kind: "value", value: 10 * published.arcRunGraphTasks },
    beside: [{ of: "arcrun16", value: published.arcRunGraphTasks }],
  };
  const half = { kind: "share", of: "raw4", times: 0.5 } as const;
  const rate = { unit: "tasks/s", better: "more" } as const;
  const rows = { unit: "rows/s", better: "more" } as const;
  return [
    { id: "graphs1", title: "graphs, 1 in flight", ...rate },
    { id: "graphs4", title: "graphs, 4 in flight", ...rate, bar, against: ["arcrun16"] },
    { id: "rows1", title: "rows written, 1 in flight", ...rows, against: ["raw1"] },
    { id: "rows4", title: "rows written, 4 in flight", ...rows, bar: half, against: ["raw4"] },
    { id: "upload", title: "UploadTasks of 100,000", unit: "s", better: "less", bar: { kind: "value", value: 4 } },
    {
      ...{ id: "uploadPeak", title: "UploadTasks of 100,000: server's peak memory", unit: "MB", better: "less" },
      bar: { kind: "value", value: 400 },
    },
    { id: "arcrun16", title: "ArcRun, graphs, 16 connections", ...rate },
    { id: "raw1", title: "limit: INSERT from unnest, 1,000 rows, 1 connection", ...rows },
    { id: "raw2", title: "limit: INSERT from unnest, 1,000 rows, 2 connections", ...rows },
    { id: "raw4", title: "limit: INSERT from unnest, 1,000 rows, 4 connections", ...rows },
  ];
}

async function open(context: BenchContext): Promise<Part[]> {
  const databaseUrl = await context.createDatabase("server");
  const { url } = await context.startServer(databaseUrl);
  const rawUrl = await context.createDatabase("raw");
  const arcRun = await startArcRun(context);
  const graph = layeredGraph({ tasks: graphTasks, layers, kind: "bench.create" });
  const request = encodeRequest(CreateTasksRequestSchema, graph.toRequest());
  // The server's first calls are slow: nobody asks how slow.
  await loadGrpc(context, { url, path, request, inFlight: 4 });
  const creates = inFlightOf.map(
    (inFlight): Part => ({
      name: `Millpond, ${inFlight} in flight`,
      async measure() {
        const before = await countRows(databaseUrl);
        const { calls, seconds } = await loadGrpc(context, { url, path, request, inFlight });
        const after = await countRows(databaseUrl);
        // Warm-up calls wrote rows too, as many each.
        const rowsPerTask = (after.all - before.all) / (after.tasks - before.tasks);
        const rate = (calls * graphTasks) / seconds;
        return { [`graphs${inFlight}`]: rate, [`rows${inFlight}`]: rate * rowsPerTask };
      },
    }),
  );
  const limits = [1, 2, 4].map(
    (connections): Part => ({
      name: `INSERT from unnest, ${connections} connections`,
      measure: async () => ({
        [`raw${connections}`]: await rawInsertRate(context, { url: rawUrl, connections, rowsPerStatement: 1_000 }),
      }),
    }),
  );
  return [
    ...creates,
    {
      name: "Millpond, UploadTasks",
      measure: () => context.withDatabase("upload", (databaseUrl) => upload(context, databaseUrl)),
    },
    {
      name: "ArcRun, graphs, 16 connections",
      measure: async () => ({
        arcrun16: await createWithArcRun(context, arcRun, { tasks: graphTasks, layers, connections: 16 }),
      }),
    },
    ...limits,
  ];
}

async function upload(context: BenchContext, databaseUrl: string) {
  const server = await context.startServer(databaseUrl);
  const job: SdkUploadJob = { url: server.url, tasks: context.size(100_000, 10_000) };
  const { seconds } = await context.run<{ seconds: number }>("sdk-upload", job);
  const peak = residentBytes(server.pid, "peak");
  await server.stop();
  return { upload: seconds, uploadPeak: peak === undefined ? new NotRun("there is no /proc") : peak / mebibyte };
}
