import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { GetTaskRequestSchema, GetTaskResponseSchema, TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { type ConnectErrorJson, http2Request, startFakeServer } from "./server-harness.ts";
import { sharedServer } from "./shared-server.ts";

const taskId = "0190a0b0-0000-7000-8000-000000000001";
const json = JSON.stringify({ taskId });
const proto = toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId }));
const path = "/millpond.v1.TaskService/GetTask";

const echo = { tasks: { getTask: (request: { taskId: string }) => ({ task: { taskId: request.taskId, name: "é" } }) } };

interface Answer {
  readonly status: number;
  readonly cacheControl: string | undefined;
  readonly allow: string | undefined;
  readonly body: Buffer;
}

type Get = (url: string, target: string, headers?: Record<string, string>) => Promise<Answer>;

const overHttp1: Get = async (url, target, headers = {}) => {
  const response = await fetch(url + target, { headers });
  const header = (name: string) => response.headers.get(name) ?? undefined;
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, cacheControl: header("cache-control"), allow: header("allow"), body };
};

const overHttp2: Get = async (url, target, given = {}) => {
  const { headers, body } = await http2Request(url, { ":method": "GET", ":path": target, ...given });
  const { "cache-control": cacheControl, allow } = headers;
  return { status: Number(headers[":status"]), cacheControl, allow: allow as string | undefined, body };
};

const versions: [string, Get, "1.1" | "2"][] = [
  ["HTTP/1.1", overHttp1, "1.1"],
  ["HTTP/2", overHttp2, "2"],
];

function query(parameters: Record<string, string>): string {
  return `${path}?${new URLSearchParams(parameters)}`;
}

const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64url");
const accepted: Record<string, Record<string, string>> = {
  "JSON as it is": { connect: "v1", encoding: "json", message: json },
  "JSON in base64": { connect: "v1", encoding: "json", base64: "1", message: base64(json) },
  "JSON in padded base64": { encoding: "json", base64: "1", message: Buffer.from(json).toString("base64") },
  Protobuf: { connect: "v1", encoding: "proto", base64: "1", message: base64(proto) },
  gzip: { connect: "v1", encoding: "json", base64: "1", compression: "gzip", message: base64(gzipSync(json)) },
  brotli: { encoding: "proto", base64: "1", compression: "br", message: base64(brotliCompressSync(proto)) },
  "no compression, by name": { encoding: "json", compression: "identity", message: json },
};

interface Refused {
  readonly parameters: Record<string, string>;
  readonly status: number;
  /** The field that the error names. */
  readonly field?: string;
  readonly message: RegExp;
}

const refused: Record<string, Refused> = {
  nothing: { parameters: {}, status: 415, field: "encoding", message: /encoding is missing: give json or proto/ },
  "another encoding": {
    parameters: { encoding: "yaml", message: json },
    ...{ status: 415, field: "encoding", message: /encoding "yaml" is not accepted/ },
  },
  "a long encoding": {
    parameters: { encoding: "x".repeat(9_000) },
    status: 415,
    field: "encoding",
    message: /^.{0,350}$/,
  },
  "no message": { parameters: { encoding: "json" }, status: 400, field: "message", message: /message is missing/ },
  "another version": {
    parameters: { connect: "v2", encoding: "json", message: json },
    ...{ status: 400, field: "connect", message: /"v2" is no version/ },
  },
  "base64 that is none": {
    parameters: { encoding: "json", base64: "1", message: "***" },
    ...{ status: 400, field: "message", message: /not base64/ },
  },
  "JSON that is none": {
    parameters: { encoding: "json", message: "{" },
    status: 400,
    message: /cannot decode message/,
  },
  "JSON of the wrong type": {
    parameters: { encoding: "json", message: '{"taskId":7}' },
    ...{ status: 400, field: "task_id", message: /expected string, got 7/ },
  },
  "an unknown key": {
    parameters: { encoding: "json", base64: "1", message: base64('{"taskid":"x"}') },
    ...{ status: 400, field: "taskid", message: /unknown/ },
  },
  "what breaks the contract": {
    parameters: { encoding: "json", message: "{}" },
    ...{ status: 400, field: "task_id", message: /not a valid UUID/ },
  },
  "Protobuf that is none": {
    parameters: { encoding: "proto", base64: "1", message: base64(Buffer.from([0xff, 0xff])) },
    ...{ status: 400, message: /cannot decode message/ },
  },
  "gzip that is none": {
    parameters: { encoding: "json", compression: "gzip", message: json },
    ...{ status: 400, message: /decompression failed/ },
  },
  "gzip of too much": {
    parameters: { encoding: "json", compression: "gzip", base64: "1", message: base64(gzipSync(" ".repeat(2 ** 20))) },
    ...{ status: 429, message: /larger than configured/ },
  },
  "an unknown compression": {
    parameters: { encoding: "json", compression: "zip", message: json },
    ...{ status: 501, message: /unknown compression "zip"/ },
  },
};

describe.each(versions)("over %s", (_version, get, httpVersion) => {
  test.each(Object.entries(accepted))("GET takes %s, and no cache keeps the answer", async (_what, parameters) => {
    const server = await startFakeServer(echo);
    const { status, cacheControl, body } = await get(server.url, query(parameters));
    expect({ status, cacheControl }).toEqual({ status: 200, cacheControl: "no-store" });
    const { task } =
      parameters.encoding === "proto" ? fromBinary(GetTaskResponseSchema, body) : JSON.parse(body.toString());
    expect(task).toMatchObject({ taskId, name: "é" });
  });

  test("says what is wrong with a query, and no cache keeps that either", async () => {
    const server = await startFakeServer(echo);
    for (const [what, { parameters, status, field, message }] of Object.entries(refused)) {
      const answer = await get(server.url, query(parameters));
      expect({ what, status: answer.status, cache: answer.cacheControl }).toEqual({ what, status, cache: "no-store" });
      const error = JSON.parse(answer.body.toString()) as ConnectErrorJson;
      expect(error.message, what).toMatch(message);
      const violations = error.details?.find(({ type }) => type === "google.rpc.BadRequest")?.debug;
      expect(violations, what).toEqual(
        field === undefined ? undefined : { fieldViolations: [{ field, description: expect.any(String) }] },
      );
    }
    expect(server.log.filter(({ level }) => level >= 40)).toEqual([]);
  });

  test("GET of a library's client is answered, and takes a deadline", async () => {
    const { promise: never } = Promise.withResolvers<never>();
    const methods: string[] = [];
    const server = await startFakeServer({
      tasks: {
        getTask: (request, { requestMethod }) => {
          methods.push(requestMethod);
          return request.taskId === taskId ? echo.tasks.getTask(request) : never;
        },
      },
    });
    const transport = createConnectTransport({ baseUrl: server.url, httpVersion, useHttpGet: true });
    const client = createClient(TaskService, transport);
    expect((await client.getTask({ taskId })).task?.name).toBe("é");
    const late = client.getTask({ taskId: taskId.replace(/1$/, "2") }, { timeoutMs: 50 });
    await expect(late).rejects.toThrow(/deadline_exceeded/);
    // The second may be over before its service hears of it.
    expect(new Set(methods)).toEqual(new Set(["GET"]));
  });
});

describe("of the contract", () => {
  const server = sharedServer();
  const methods = [TaskService, BatchService, EventService, WorkerService, DeliveryService].flatMap(
    (service) => service.methods,
  );

  test("what only reads says that it has no side effects, and nothing else does", () => {
    const reads = methods.filter(({ idempotency }) => idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS);
    expect(reads.map(({ name }) => name)).toEqual(
      methods.map(({ name }) => name).filter((name) => /^(Get|List|Explain|Watch)/.test(name)),
    );
  });

  test.each(methods.map((method) => [`${method.parent.typeName}/${method.name}`, method] as const))(
    "GET %s",
    async (name, { idempotency, methodKind }) => {
      const takesGet = methodKind === "unary" && idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
      for (const get of [overHttp1, overHttp2]) {
        const answer = await get(server.url, `/${name}?connect=v1&encoding=json&message=%7B%7D`);
        // Some requests have to say what to read.
        if (takesGet) expect([200, 400]).toContain(answer.status);
        else expect(answer).toMatchObject({ status: 405, allow: "POST" });
        expect(answer.cacheControl).toBe("no-store");
      }
    },
  );
});
