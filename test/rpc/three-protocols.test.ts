import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { BatchStatus } from "../../src/gen/millpond/v1/batch_pb.ts";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { GetTaskRequestSchema, GetTaskResponseSchema, TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { postJson } from "./server-harness.ts";
import { newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const graph = (kind: string) => [
  { key: "b", name: "second", kind, dependencies: [{ parent: { case: "key" as const, value: "a" } }] },
  { key: "a", name: "first", kind },
];

const transports: [string, (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web over HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect with JSON over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true })],
];

describe("a graph is created, executed and watched to its end on one port", () => {
  test.each(transports)("by %s", async (_name, transportOf) => {
    const kind = newKind();
    const transport = transportOf(server.url);
    const tasks: Client<typeof TaskService> = createClient(TaskService, transport);
    const workers = createClient(WorkerService, transport);
    const { batch } = await tasks.createTasks({ tasks: graph(kind) });
    const batchIds = [batch?.batchId ?? ""];
    const working = (async () => {
      for (const key of ["a", "b"]) {
        const { assignments } = await workers.claimTasks({
          workerId: "w",
          kinds: [kind],
          waitTimeout: { seconds: 10n },
        });
        expect(assignments[0]?.task?.key).toBe(key);
        const taskId = assignments[0]?.task?.taskId ?? "";
        await tasks.reportTasks({ reports: [{ taskId, attempt: 1, report: { case: "success", value: {} } }] });
      }
    })();
    const events = createClient(EventService, transport);
    let last: BatchStatus | undefined;
    for await (const { message } of events.watchEvents(
      { filter: { batchIds }, snapshot: true },
      { timeoutMs: 20_000 },
    )) {
      for (const { payload } of message.case === "events" ? message.value.events : []) {
        if (payload.case === "batchStatusChanged") last = payload.value.to;
      }
      for (const shown of message.case === "snapshot" ? message.value.batches : []) last = shown.status;
      if (last === BatchStatus.SUCCESS) break;
    }
    await working;
    expect(last).toBe(BatchStatus.SUCCESS);
  });

  test("by @grpc/grpc-js from the generated descriptors", async () => {
    const kind = newKind();
    const client = new grpc.Client(server.url.replace("http://", ""), grpc.credentials.createInsecure());
    const { createTasks, reportTasks } = TaskService.method;
    const { batch } = await unary(client, createTasks, { tasks: graph(kind) });
    const ended = watchUntilEnd(client, batch?.batchId ?? "");
    for (const key of ["a", "b"]) {
      const claim = { workerId: "w", kinds: [kind], waitTimeout: { seconds: 10n } };
      const [assignment] = (await unary(client, WorkerService.method.claimTasks, claim)).assignments;
      expect(assignment?.task?.key).toBe(key);
      const taskId = assignment?.task?.taskId ?? "";
      const { results } = await unary(client, reportTasks, {
        reports: [{ taskId, attempt: 1, report: { case: "success", value: {} } }],
      });
      expect(results[0]?.result.case).toBe("task");
    }
    expect(await ended).toBe(BatchStatus.SUCCESS);
    const refused = await unary(client, BatchService.method.getBatch, { batchId: "x" }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
    client.close();
  });

  test("by JSON over HTTP/1.1, as curl sends it", async () => {
    const kind = newKind();
    const call = async (method: string, body: object): Promise<Record<string, unknown>> => {
      const { status, json } = await postJson(`${server.url}/millpond.v1.${method}`, JSON.stringify(body));
      expect(status).toBe(200);
      return json;
    };
    const tasks = [
      { key: "b", name: "second", kind, dependencies: [{ key: "a" }] },
      { key: "a", name: "first", kind },
    ];
    const created = await call("TaskService/CreateTasks", { tasks });
    const { batchId } = created.batch as { batchId: string };
    let cursor = "";
    const seen: string[] = [];
    for (const key of ["a", "b"]) {
      const claimed = await call("WorkerService/ClaimTasks", { workerId: "w", kinds: [kind], waitTimeout: "10s" });
      const [assignment] = claimed.assignments as { task: { taskId: string; key: string }; attempt: number }[];
      expect(assignment?.task.key).toBe(key);
      const report = {
        taskId: assignment?.task.taskId,
        attempt: assignment?.attempt,
        success: { output: { by: "curl" } },
      };
      await call("TaskService/ReportTasks", { reports: [report] });
      const page = await call("EventService/ListEvents", {
        filter: { batchIds: [batchId] },
        cursor,
        waitTimeout: "10s",
      });
      cursor = page.nextCursor as string;
      seen.push(
        ...(page.events as { batchStatusChanged?: { to: string } }[]).flatMap(
          (event) => event.batchStatusChanged?.to ?? [],
        ),
      );
    }
    expect(seen.at(-1)).toBe("BATCH_STATUS_SUCCESS");
    const get = await call("BatchService/GetBatch", { batchId });
    expect(get.batch).toMatchObject({
      status: "BATCH_STATUS_SUCCESS",
      stats: { total: "2", byStatus: { SUCCESS: "2" } },
    });
  });

  test("reads are also answered to a GET, as Connect's clients may send them", async () => {
    const { batchId, ids } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    const taskId = ids.a ?? "";
    const get = async (method: string, encoding: string, message: string) => {
      const path = `millpond.v1.${method}?connect=v1&encoding=${encoding}&message=${encodeURIComponent(message)}`;
      const answer = await fetch(`${server.url}/${path}`);
      expect(answer.status).toBe(200);
      return answer;
    };
    const batch = await get("BatchService/GetBatch", "json", JSON.stringify({ batchId }));
    expect(await batch.json()).toMatchObject({ batch: { batchId } });
    const task = await get("TaskService/GetTask", "json", JSON.stringify({ taskId }));
    expect(await task.json()).toMatchObject({ task: { taskId, key: "a", status: "TASK_STATUS_PENDING" } });
    const request = toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId }));
    const bytes = await get("TaskService/GetTask", "proto&base64=1", Buffer.from(request).toString("base64url"));
    const read = fromBinary(GetTaskResponseSchema, new Uint8Array(await bytes.arrayBuffer()));
    expect(read.task).toMatchObject({ taskId, key: "a" });
  });
});

interface UnaryMethod<I extends DescMessage, O extends DescMessage> {
  readonly name: string;
  readonly parent: { readonly typeName: string };
  readonly input: I;
  readonly output: O;
}

function unary<I extends DescMessage, O extends DescMessage>(
  client: grpc.Client,
  method: UnaryMethod<I, O>,
  request: MessageInitShape<I>,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      { deadline: Date.now() + 20_000 },
      (error, response) => (error === null && response !== undefined ? resolve(response) : reject(error)),
    );
  });
}

function watchUntilEnd(client: grpc.Client, batchId: string): Promise<BatchStatus> {
  const { watchEvents } = EventService.method;
  const stream = client.makeServerStreamRequest(
    `/${watchEvents.parent.typeName}/${watchEvents.name}`,
    (message: MessageShape<typeof watchEvents.input>) => Buffer.from(toBinary(watchEvents.input, message)),
    (bytes: Buffer) => fromBinary(watchEvents.output, bytes),
    create(watchEvents.input, { filter: { batchIds: [batchId] }, snapshot: true }),
    { deadline: Date.now() + 20_000 },
  );
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("data", ({ message }: MessageShape<typeof watchEvents.output>) => {
      for (const { payload } of message.case === "events" ? message.value.events : []) {
        if (payload.case !== "batchStatusChanged" || payload.value.to === BatchStatus.ACTIVE) continue;
        resolve(payload.value.to);
        stream.removeListener("error", reject).on("error", () => {});
        stream.cancel();
      }
    });
  });
}
