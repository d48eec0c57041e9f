import { once } from "node:events";
import http2 from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Client, Code, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import {
  type GetTaskRequest,
  GetTaskRequestSchema,
  type GetTaskResponse,
  GetTaskResponseSchema,
  TaskService,
} from "../../src/gen/millpond/v1/task_service_pb.ts";
import { detailsOf, errorOf, type Fakes, postJson, startFakeServer, until } from "./server-harness.ts";

const taskId = "0190a0b0-0000-7000-8000-000000000001";

const transports: [string, (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web on HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web on HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect on HTTP/1.1 with JSON", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  [
    "Connect on HTTP/1.1 with protobuf",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  ],
  ["Connect on HTTP/2 with JSON", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
  [
    "Connect on HTTP/2 with protobuf",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  ],
];

function echo(): Fakes {
  return {
    tasks: {
      getTask: (request) => {
        if (request.taskId !== taskId) throw new MillpondError("TASK_NOT_FOUND", `there is no task ${request.taskId}`);
        return { task: { taskId: request.taskId, name: "echo" } };
      },
    },
    events: {
      async *watchEvents() {
        for (const cursor of ["1", "2", "3"]) yield { cursor };
      },
    },
  };
}

describe.each(transports)("over %s", (_name, transportOf) => {
  test("a unary call is answered, with a request id", async () => {
    const server = await startFakeServer(echo());
    const client: Client<typeof TaskService> = createClient(TaskService, transportOf(server.url));
    let requestId: string | null = null;
    const { task } = await client.getTask(
      { taskId },
      { onHeader: (header) => (requestId = header.get("x-request-id")) },
    );
    expect(task?.name).toBe("echo");
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a stream delivers its messages and ends", async () => {
    const server = await startFakeServer(echo());
    const client = createClient(EventService, transportOf(server.url));
    const cursors: string[] = [];
    for await (const { cursor } of client.watchEvents({})) cursors.push(cursor);
    expect(cursors).toEqual(["1", "2", "3"]);
  });

  test("a domain error arrives with its code, message and reason", async () => {
    const server = await startFakeServer(echo());
    const client = createClient(TaskService, transportOf(server.url));
    const other = taskId.replace(/1$/, "2");
    const error = await errorOf(client.getTask({ taskId: other }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toBe(`there is no task ${other}`);
    expect(detailsOf(error).reason).toBe("TASK_NOT_FOUND");
  });

  test("a deadline ends a call whose service takes no notice", async () => {
    const { promise: never } = Promise.withResolvers<never>();
    const server = await startFakeServer({ tasks: { getTask: () => never } });
    const client = createClient(TaskService, transportOf(server.url));
    const error = await errorOf(client.getTask({ taskId }, { timeoutMs: 50 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    const ended = () => server.log.find(({ method }) => method === "millpond.v1.TaskService/GetTask");
    await until(() => ended() !== undefined, "the log line");
    expect(["DEADLINE_EXCEEDED", "CANCELED"]).toContain(ended()?.code);
  });

  test("a canceled call cancels the service's signal", async () => {
    const reached = Promise.withResolvers<AbortSignal>();
    const server = await startFakeServer({
      events: {
        async *watchEvents(_request, { signal }) {
          yield { cursor: "1" };
          reached.resolve(signal);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          signal.throwIfAborted();
        },
      },
    });
    const client = createClient(EventService, transportOf(server.url));
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _ of client.watchEvents({}, { signal: controller.signal }));
    })();
    const signal = await reached.promise;
    controller.abort();
    expect((await errorOf(reading)).code).toBe(Code.Canceled);
    await until(() => signal.aborted, "the signal");
    await until(() => server.log.some(({ method }) => String(method).endsWith("WatchEvents")), "the log line");
  });

  test("a message beyond the limit is RESOURCE_EXHAUSTED with the limit", async () => {
    const server = await startFakeServer(echo(), { maxMessageBytes: 64 * 1024 });
    const client = createClient(TaskService, transportOf(server.url));
    const error = await errorOf(client.cancelTasks({ taskIds: Array.from({ length: 4_000 }, () => taskId) }));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(detailsOf(error)).toMatchObject({ reason: "LIMIT_EXCEEDED", metadata: { limit: "65536" } });
    expect((await client.getTask({ taskId })).task?.name).toBe("echo");
  });

  test("an unexpected error shows its caller a request id and the log its stack", async () => {
    const server = await startFakeServer({
      tasks: {
        getTask: () => {
          throw new Error("secret: hunter2");
        },
      },
    });
    const client = createClient(TaskService, transportOf(server.url));
    const error = await errorOf(client.getTask({ taskId }, { headers: { "x-request-id": "abc-123" } }));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toBe("internal error (request id abc-123)");
    const logged = server.log.find(({ level }) => level === 50);
    expect(logged).toMatchObject({ requestId: "abc-123", err: { message: "secret: hunter2" } });
  });

  test("an RPC that the server does not have is UNIMPLEMENTED", async () => {
    const server = await startFakeServer(echo(), { routes: () => {} });
    const client = createClient(TaskService, transportOf(server.url));
    expect((await errorOf(client.getTask({ taskId }))).code).toBe(Code.Unimplemented);
  });
});

describe("over @grpc/grpc-js", () => {
  const getTask = {
    path: "/millpond.v1.TaskService/GetTask",
    serialize: (request: GetTaskRequest) => Buffer.from(toBinary(GetTaskRequestSchema, request)),
    deserialize: (bytes: Buffer) => fromBinary(GetTaskResponseSchema, bytes),
  };

  function call(url: string, id: string, deadlineMs = 5_000): Promise<GetTaskResponse> {
    const client = new grpc.Client(url.replace("http://", ""), grpc.credentials.createInsecure());
    return new Promise<GetTaskResponse>((resolve, reject) => {
      client.makeUnaryRequest(
        getTask.path,
        getTask.serialize,
        getTask.deserialize,
        create(GetTaskRequestSchema, { taskId: id }),
        { deadline: Date.now() + deadlineMs },
        (error, response) => (error === null && response !== undefined ? resolve(response) : reject(error)),
      );
    }).finally(() => client.close());
  }

  test("a call is answered, an error carries its details and a deadline holds", async () => {
    const server = await startFakeServer(echo());
    expect((await call(server.url, taskId)).task?.name).toBe("echo");
    const refused = await call(server.url, "").catch((error: grpc.ServiceError) => error);
    expect(refused).toMatchObject({ code: grpc.status.INVALID_ARGUMENT, details: expect.stringMatching(/^task_id: /) });
    const { promise: never } = Promise.withResolvers<never>();
    const slow = await startFakeServer({ tasks: { getTask: () => never } });
    const late = await call(slow.url, taskId, 50).catch((error: grpc.ServiceError) => error);
    expect(late).toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
  });
});

test("the message of an error is what it was, over grpc-js and over connect", async () => {
  const message = 'tasks[0].name: "100 %: a, b; c/d?" is taken – für immer ✓, e=%3A';
  const server = await startFakeServer({
    tasks: {
      getTask: () => {
        throw new MillpondError("TASK_ENDED", message);
      },
    },
  });
  const client = new grpc.Client(server.url.replace("http://", ""), grpc.credentials.createInsecure());
  const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | null>();
  const plain = (bytes: Buffer) => bytes;
  client.makeUnaryRequest(
    "/millpond.v1.TaskService/GetTask",
    plain,
    plain,
    Buffer.from(toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId }))),
    (error) => resolve(error),
  );
  expect((await promise)?.details).toBe(message);
  client.close();
  expect(
    (await errorOf(createClient(TaskService, createGrpcTransport({ baseUrl: server.url })).getTask({ taskId })))
      .rawMessage,
  ).toBe(message);
});

describe("request ids", () => {
  test("are taken from the caller when well-formed, and replaced otherwise", async () => {
    const server = await startFakeServer(echo());
    const url = `${server.url}/millpond.v1.TaskService/GetTask`;
    const body = JSON.stringify({ taskId });
    const taken = await postJson(url, body, { "x-request-id": "job/42:a" });
    expect(taken.headers.get("x-request-id")).toBe("job/42:a");
    for (const malformed of ["x".repeat(129), "a b", '"quoted"']) {
      const replaced = await postJson(url, body, { "x-request-id": malformed });
      expect(replaced.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

describe("a deadline", () => {
  test("longer than a timer can hold is refused rather than over at once", async () => {
    const server = await startFakeServer(echo());
    const answer = await postJson(`${server.url}/millpond.v1.TaskService/GetTask`, "{}", {
      "connect-timeout-ms": "9999999999",
    });
    expect(answer.status).toBe(400);
    expect(answer.json.message).toContain("2147483647");
  });
});

test("an RPC that does not exist answers gRPC with trailers only: one frame of headers that ends the stream", async () => {
  const server = await startFakeServer(echo());
  const session = http2.connect(server.url);
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/nothing.v1.Nothing/Nothing",
      "content-type": "application/grpc",
    });
    const [headers, flags] = (await once(stream, "response")) as [http2.IncomingHttpHeaders, number];
    expect(headers).toMatchObject({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" });
    expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).not.toBe(0);
  } finally {
    session.destroy();
  }
});
