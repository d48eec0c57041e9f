import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { CancelTasksRequestSchema, CreateTasksRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { locateJsonError } from "../../src/server/locate-json-error.ts";
import {
  type ConnectErrorJson,
  grpcFrame,
  http2Request,
  postJson,
  sendRaw,
  startFakeServer,
} from "./server-harness.ts";

const createTasksPath = "/millpond.v1.TaskService/CreateTasks";

/** A server whose CreateTasks must not be reached. */
async function startGuarded(options: Parameters<typeof startFakeServer>[1] = {}) {
  let reached = 0;
  const server = await startFakeServer(
    {
      tasks: {
        createTasks: () => {
          reached++;
          return {};
        },
      },
    },
    options,
  );
  return { ...server, reached: () => reached };
}

function reasonOf(error: ConnectErrorJson): unknown {
  return error.details?.find(({ type }) => type === "google.rpc.ErrorInfo")?.debug?.reason;
}

function fieldsOf(error: ConnectErrorJson): string[] {
  const request = error.details?.find(({ type }) => type === "google.rpc.BadRequest")?.debug;
  return ((request?.fieldViolations ?? []) as { field: string }[]).map(({ field }) => field);
}

const task = { name: "a", kind: "k" };

describe("JSON that is not the request", () => {
  const cases: [what: string, body: string, fields: string[]][] = [
    ["no JSON at all", '{"tasks": [', []],
    ["an empty body", "", []],
    ["an unknown field", '{"taskz": []}', ["taskz"]],
    ["an unknown field inside", JSON.stringify({ tasks: [task, { ...task, nmae: "x" }] }), ["tasks[1].nmae"]],
    ["a wrong type", JSON.stringify({ tasks: [task, task, task, { ...task, name: 7 }] }), ["tasks[3].name"]],
    ["a list that is none", '{"tasks": {}}', ["tasks"]],
    [
      "an unknown enum value",
      JSON.stringify({ tasks: [{ ...task, unmetPolicy: "MAYBE" }] }),
      ["tasks[0].unmet_policy"],
    ],
    [
      "a duration that is none",
      JSON.stringify({ tasks: [{ ...task, startTimeout: "soon" }] }),
      ["tasks[0].start_timeout"],
    ],
    ["a number that is too large", JSON.stringify({ tasks: [{ ...task, priority: 1e12 }] }), ["tasks[0].priority"]],
    [
      "a map value of a wrong type",
      JSON.stringify({ tasks: [{ ...task, worker: { requiredLabels: { zone: 1 } } }] }),
      ['tasks[0].worker.required_labels["zone"]'],
    ],
    ["a duplicate key", '{"validateOnly": true, "validateOnly": false}', []],
    ["an array for a message", "[]", []],
  ];

  test.each(cases)("%s is INVALID_FIELD with the path", async (_what, body, fields) => {
    const server = await startGuarded();
    const overHttp1 = await postJson(server.url + createTasksPath, body);
    expect(overHttp1).toMatchObject({ status: 400, json: { code: "invalid_argument" } });
    expect(reasonOf(overHttp1.json)).toBe("INVALID_FIELD");
    expect(fieldsOf(overHttp1.json)).toEqual(fields);
    expect(overHttp1.text).not.toMatch(/node_modules|\.ts:|at /);

    const overHttp2 = await http2Request(
      server.url,
      { ":path": createTasksPath, "content-type": "application/json" },
      body,
    );
    expect(overHttp2.headers[":status"]).toBe(400);
    expect(fieldsOf(JSON.parse(overHttp2.body.toString()))).toEqual(fields);
    expect(server.reached()).toBe(0);
  });

  test("is logged and counted under its code, with a request id", async () => {
    const server = await startGuarded();
    const answer = await postJson(server.url + createTasksPath, "{", { "x-request-id": "r1" });
    expect(answer.headers.get("x-request-id")).toBe("r1");
    expect(server.log.find(({ msg }) => msg === "call")).toMatchObject({
      requestId: "r1",
      method: "millpond.v1.TaskService/CreateTasks",
      protocol: "connect",
      code: "INVALID_ARGUMENT",
    });
    expect(await server.registry.metrics()).toContain(
      'millpond_rpc_requests_total{service="millpond.v1.TaskService",method="CreateTasks",code="INVALID_ARGUMENT"} 1',
    );
  });
});

describe("bounds of the contract", () => {
  test("name every field by its path, and say how many more there are", async () => {
    const server = await startGuarded();
    const tasks = [task, { name: "", kind: "k" }, { name: "n".repeat(256), kind: "k" }];
    const { status, json } = await postJson(server.url + createTasksPath, JSON.stringify({ tasks }));
    expect(status).toBe(400);
    expect(reasonOf(json)).toBe("INVALID_FIELD");
    expect(fieldsOf(json)).toEqual(["tasks[1].name", "tasks[2].name"]);
    expect(json.message).toMatch(/^tasks\[1\]\.name: .+ \(and 1 more\)$/);
    expect(server.reached()).toBe(0);
  });

  test("list no more than a hundred violations", async () => {
    const server = await startGuarded();
    const tasks = Array.from({ length: 150 }, () => ({ name: "", kind: "k" }));
    const { json } = await postJson(server.url + createTasksPath, JSON.stringify({ tasks }));
    expect(fieldsOf(json)).toHaveLength(100);
    expect(json.message).toContain("(and 149 more)");
  });

  test("hold for 10,001 tasks", async () => {
    const server = await startGuarded({ maxMessageBytes: 16 * 1024 * 1024 });
    const tasks = Array.from({ length: 10_001 }, () => task);
    const { status, json } = await postJson(server.url + createTasksPath, JSON.stringify({ tasks }));
    expect(status).toBe(400);
    expect(fieldsOf(json)).toEqual(["tasks"]);
    expect(server.reached()).toBe(0);
  });
});

describe("bytes that are not the request", () => {
  const valid = toBinary(CreateTasksRequestSchema, create(CreateTasksRequestSchema, { tasks: [task] }));
  const garbage = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);

  test.each([
    ["a truncated message", valid.subarray(0, valid.length - 1)],
    ["garbage", garbage],
  ])("%s in the Connect protocol is INVALID_FIELD, on HTTP/1.1 and HTTP/2", async (_what, bytes) => {
    const server = await startGuarded();
    const overHttp1 = await fetch(server.url + createTasksPath, {
      method: "POST",
      headers: { "content-type": "application/proto" },
      body: Buffer.from(bytes),
    });
    expect(overHttp1.status).toBe(400);
    expect(reasonOf((await overHttp1.json()) as ConnectErrorJson)).toBe("INVALID_FIELD");
    const overHttp2 = await http2Request(
      server.url,
      { ":path": createTasksPath, "content-type": "application/proto" },
      Buffer.from(bytes),
    );
    expect(overHttp2.headers[":status"]).toBe(400);
    expect(reasonOf(JSON.parse(overHttp2.body.toString()))).toBe("INVALID_FIELD");
    expect(server.reached()).toBe(0);
  });

  test.each([
    ["garbage in a frame", grpcFrame(garbage)],
    ["a frame shorter than it promises", grpcFrame(valid, valid.length + 10)],
  ])("%s of gRPC is INVALID_ARGUMENT with details", async (_what, frame) => {
    const server = await startGuarded();
    const { headers, trailers } = await http2Request(
      server.url,
      { ":path": createTasksPath, "content-type": "application/grpc", te: "trailers" },
      frame,
    );
    expect(headers[":status"]).toBe(200);
    expect(trailers["grpc-status"]).toBe("3");
    const details = Buffer.from(String(trailers["grpc-status-details-bin"]), "base64").toString("latin1");
    expect(details).toContain("INVALID_FIELD");
    expect(server.reached()).toBe(0);
  });

  test("the one message of a streaming call is refused alike, and logged so", async () => {
    const server = await startGuarded();
    const path = { ":path": "/millpond.v1.EventService/WatchEvents" };
    const viaGrpc = await http2Request(server.url, { ...path, "content-type": "application/grpc" }, grpcFrame(garbage));
    expect(viaGrpc.trailers["grpc-status"]).toBe("3");
    const viaConnect = await http2Request(
      server.url,
      { ...path, "content-type": "application/connect+json" },
      grpcFrame(Buffer.from('{"curser": ""}')),
    );
    const { error } = JSON.parse(viaConnect.body.subarray(5).toString()) as { error: ConnectErrorJson };
    expect(error.code).toBe("invalid_argument");
    expect(fieldsOf(error)).toEqual(["curser"]);
    const codes = server.log.filter(({ msg }) => msg === "call").map(({ code }) => code);
    expect(codes).toEqual(["INVALID_ARGUMENT", "INVALID_ARGUMENT"]);
  });

  test("a body that is not compressed as it says is INVALID_FIELD", async () => {
    const server = await startGuarded();
    const { status, json } = await postJson(server.url + createTasksPath, "{}", { "content-encoding": "gzip" });
    expect(status).toBe(400);
    expect(reasonOf(json)).toBe("INVALID_FIELD");
  });

  test("a message beyond the limit is RESOURCE_EXHAUSTED, also when it comes without a length", async () => {
    const server = await startGuarded({ maxMessageBytes: 64 * 1024 });
    const ids = Array.from({ length: 5_000 }, () => "0190a0b0-0000-7000-8000-000000000001");
    const bytes = toBinary(CancelTasksRequestSchema, create(CancelTasksRequestSchema, { taskIds: ids }));
    const chunked = await fetch(`${server.url}/millpond.v1.TaskService/CancelTasks`, {
      method: "POST",
      headers: { "content-type": "application/proto" },
      body: ReadableStream.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]),
      duplex: "half",
    });
    expect(chunked.status).toBe(429);
    const error = (await chunked.json()) as ConnectErrorJson;
    expect(reasonOf(error)).toBe("LIMIT_EXCEEDED");
    expect(error.details?.[0]?.debug?.metadata).toEqual({ limit: "65536" });
  });
});

describe("a request to the wrong place", () => {
  test("of a wrong content type is told which to send", async () => {
    const server = await startGuarded();
    const { status, json } = await postJson(server.url + createTasksPath, "{}", { "content-type": "text/plain" });
    expect(status).toBe(415);
    expect(json.message).toContain('send "application/json"');
    expect(fieldsOf(json)).toEqual(["Content-Type"]);
  });

  test("with a wrong method is told which to use", async () => {
    const server = await startGuarded();
    const answer = await fetch(server.url + createTasksPath);
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("POST");
    expect(((await answer.json()) as ConnectErrorJson).message).toBe(
      "millpond.v1.TaskService/CreateTasks takes POST, not GET",
    );
  });

  test("to no RPC and no route is 404 with a hint", async () => {
    const server = await startGuarded();
    const { status, json } = await postJson(`${server.url}/millpond.v1.TaskService/CreateTask`, "{}");
    expect(status).toBe(404);
    expect(json.code).toBe("unimplemented");
    expect(json.message).toContain("/millpond.v1.TaskService/ListTasks");
  });

  test("of a bidirectional stream over HTTP/1.1 is told to use HTTP/2", async () => {
    const server = await startGuarded();
    const answer = await fetch(`${server.url}/millpond.v1.TaskService/StreamCounts`, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
    });
    expect(answer.status).toBe(505);
    expect(((await answer.json()) as ConnectErrorJson).message).toContain("HTTP/2");
  });

  test.each(["", "Host:\r\n", "Host: [\r\n", "Host: a b\r\n"])(
    "with the Host header %j is answered 400",
    async (host) => {
      const server = await startGuarded();
      const head = `POST ${createTasksPath} HTTP/1.${host === "" ? 0 : 1}\r\n${host}`;
      const answer = await sendRaw(server.port, [
        `${head}Content-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
      ]);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    },
  );
});

test("the path of an error is not sought without end in messages that are nested deeply", () => {
  let nested: unknown = 1;
  for (let level = 0; level < 10_000; level++) nested = { struct_value: { fields: { x: nested } } };
  expect(locateJsonError(CreateTasksRequestSchema, { tasks: [{ input: nested as object, nope: 1 }] } as never)).toMatch(
    /^tasks\[0\]/,
  );
});
