import http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { GetTaskRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import type { HttpRoute } from "../../src/server/http-routes.ts";
import { setup } from "../support/setup.ts";
import { type ConnectErrorJson, grpcFrame, http2Request, startFakeServer } from "./server-harness.ts";

const page = "https://app.example";
const taskId = "0190a0b0-0000-7000-8000-000000000001";
const rpc = "/millpond.v1.TaskService/GetTask";
const json = { "content-type": "application/json" };
const frame = grpcFrame(toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId })));

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | undefined>;
  readonly body: string;
}

type Exchange = (url: string, sent: Sent) => Promise<Answer>;

const overHttp1: Exchange = async (url, { method = "POST", path = rpc, headers = json, body }) => {
  const init = { method, headers, ...(body !== undefined && { body }) };
  const response = await fetch(url + path, init);
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
};

const overHttp2: Exchange = async (url, { method = "POST", path = rpc, headers = json, body }) => {
  const answer = await http2Request(url, { ":method": method, ":path": path, ...headers }, body);
  const given = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
  return {
    status: Number(answer.headers[":status"]),
    headers: Object.fromEntries(given),
    body: answer.body.toString("latin1"),
  };
};

const handle: HttpRoute = {
  methods: ["POST"],
  path: "/task/:taskId",
  closedToPages: true,
  handle: async () => ({ status: 200, body: { ok: true } }),
};

function start(corsOrigins: readonly string[], options: Parameters<typeof startFakeServer>[1] = {}) {
  const getTask = (request: { taskId: string }) => {
    if (request.taskId !== taskId) throw new ConnectError("the database is gone", Code.Unavailable);
    return { task: { taskId } };
  };
  return startFakeServer({ tasks: { getTask } }, { corsOrigins, httpRoutes: [handle], ...options });
}

function from(origin: string, headers: Record<string, string> = json): Record<string, string> {
  return { ...headers, origin };
}

const preflightOf = (origin: string): Sent => ({
  method: "OPTIONS",
  headers: {
    ...{ origin, "access-control-request-method": "POST" },
    "access-control-request-headers": "connect-protocol-version,content-type",
  },
});

const body = JSON.stringify({ taskId });
const query = new URLSearchParams({ connect: "v1", encoding: "json", message: body });
const calls: Record<string, Sent & { status: number }> = {
  "a call": { body, status: 200 },
  "a call that is refused": { body: "{}", status: 400 },
  "a call that fails": { body: JSON.stringify({ taskId: taskId.replace(/1$/, "2") }), status: 503 },
  "a call by GET": { method: "GET", path: `${rpc}?${query}`, headers: {}, status: 200 },
  "a call by a GET that is refused": { method: "GET", headers: {}, status: 415 },
  "another method": { method: "PUT", body, status: 405 },
  "another content type": { headers: { "content-type": "text/plain" }, body, status: 415 },
  "a call by gRPC-Web": { headers: { "content-type": "application/grpc-web+proto" }, body: frame, status: 200 },
  "a call that gRPC-Web does not find": {
    ...{ path: "/millpond.v1.TaskService/Nope", headers: { "content-type": "application/grpc-web" } },
    ...{ body: frame, status: 200 },
  },
  "a path with nothing": { path: "/nothing", body, status: 404 },
  "OPTIONS that is no preflight": { method: "OPTIONS", status: 405 },
  "a probe": { method: "GET", path: "/healthz", headers: {}, status: 200 },
  "a probe that says no": { method: "GET", path: "/readyz", headers: {}, status: 503 },
  "HEAD of a probe": { method: "HEAD", path: "/healthz", headers: {}, status: 200 },
};
const notReady = { ready: async () => ({ ok: false, detail: "not yet" }) };

const ways: [string, Exchange, boolean][] = [
  ["HTTP/1.1", overHttp1, true],
  ["HTTP/1.1 without the fast path", overHttp1, false],
  ["HTTP/2", overHttp2, true],
  ["HTTP/2 without the fast path", overHttp2, false],
];

describe.each(ways)("over %s", (_way, exchange, rpcFastPath) => {
  test("a page of an origin that is named sees every answer, refusals too", async () => {
    const server = await start(["http://localhost:5173", page], { rpcFastPath, ...notReady });
    for (const [what, { status, ...sent }] of Object.entries(calls)) {
      const answer = await exchange(server.url, { ...sent, headers: from(page, sent.headers) });
      expect({ what, status: answer.status }).toEqual({ what, status });
      expect(answer.headers, what).toMatchObject({ "access-control-allow-origin": page, vary: "Origin" });
      const exposed = answer.headers["access-control-expose-headers"]?.toLowerCase().split(", ");
      expect(exposed).toEqual(
        expect.arrayContaining(["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"]),
      );
      expect(answer.headers).not.toHaveProperty("access-control-allow-credentials");
    }
  });

  test("a page of another origin is answered, and does not see it", async () => {
    const server = await start([page], { rpcFastPath, ...notReady });
    const others = [
      "http://app.example",
      `${page}.evil.example`,
      `${page}:8443`,
      "https://APP.example",
      "null",
      "*",
      "",
    ];
    for (const origin of others) {
      for (const [what, { status, ...sent }] of Object.entries(calls)) {
        const answer = await exchange(server.url, { ...sent, headers: from(origin, sent.headers) });
        expect({ what, origin, status: answer.status }).toEqual({ what, origin, status });
        expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
        expect(answer.headers.vary).toBe("Origin");
      }
    }
  });

  test("with `*`, every page sees every answer, and all see the same", async () => {
    const server = await start(["*"], { rpcFastPath, ...notReady });
    for (const [what, { status, ...sent }] of Object.entries(calls)) {
      const answer = await exchange(server.url, { ...sent, headers: from("null", sent.headers) });
      expect({ what, status: answer.status }).toEqual({ what, status });
      expect(answer.headers).toMatchObject({ "access-control-allow-origin": "*" });
      expect(answer.headers.vary).toBeUndefined();
    }
  });

  test("without an origin, answers say nothing of it but what a cache has to know", async () => {
    const server = await start([page], { rpcFastPath, ...notReady });
    for (const [what, { status, ...sent }] of Object.entries(calls)) {
      const answer = await exchange(server.url, sent);
      expect({ what, status: answer.status }).toEqual({ what, status });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
      const mayBeKept = sent.method === "GET" || sent.method === "HEAD";
      expect(answer.headers.vary, what).toBe(mayBeKept ? "Origin" : undefined);
    }
  });

  test("turned off, nothing is said, and a preflight is told what would let the page in", async () => {
    const server = await start([], { rpcFastPath, ...notReady });
    for (const [what, { status, ...sent }] of Object.entries(calls)) {
      const answer = await exchange(server.url, { ...sent, headers: from(page, sent.headers) });
      expect({ what, status: answer.status }).toEqual({ what, status });
      expect(Object.keys(answer.headers).filter((name) => /^access-control-|^vary$/.test(name))).toEqual([]);
    }
    await expectRefused(await exchange(server.url, preflightOf(page)));
  });

  test("a preflight says what a page may send, and for how long that holds", async () => {
    const server = await start([page], { rpcFastPath });
    for (const path of [rpc, "/millpond.v1.EventService/WatchEvents", "/healthz", "/nothing"]) {
      const answer = await exchange(server.url, { ...preflightOf(page), path });
      expect(answer).toMatchObject({ status: 204, body: "" });
      expect(answer.headers).toMatchObject({
        "access-control-allow-origin": page,
        "access-control-allow-methods": "POST, GET",
        "access-control-max-age": "7200",
        vary: "Origin",
      });
      expect(answer.headers).not.toHaveProperty("content-length");
      const allowed = answer.headers["access-control-allow-headers"]?.toLowerCase().split(", ");
      expect(allowed).toEqual(
        expect.arrayContaining([
          ...["connect-protocol-version", "connect-timeout-ms", "x-grpc-web", "grpc-timeout", "authorization"],
          ...["content-type", "x-user-agent", "x-request-id"],
        ]),
      );
    }
    await expectRefused(await exchange(server.url, preflightOf("https://other.example")));
    expect(server.log.filter(({ level }) => level > 20)).toEqual([]);
  });

  test("a route that is closed to pages stays closed, whatever the setting", async () => {
    const server = await start(["*"], { rpcFastPath });
    const path = "/task/1";
    const answer = await exchange(server.url, { path, headers: from(page), body: "{}" });
    const preflight = await exchange(server.url, { ...preflightOf(page), path });
    expect([answer.status, preflight.status]).toEqual([200, 405]);
    for (const { headers } of [answer, preflight]) {
      expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
    }
  });
});

/** A preflight that was refused: the browser stops there, and its network log says why. */
async function expectRefused({ status, headers, body: text }: Answer): Promise<void> {
  expect(status).toBe(403);
  expect(headers).not.toHaveProperty("access-control-allow-origin");
  const error = JSON.parse(text) as ConnectErrorJson;
  expect(error.message).toMatch(/^pages of https:\S+ may not call this server: .*MILLPOND_CORS_ORIGINS$/);
  expect(error.details?.[0]?.debug).toMatchObject({ reason: "PERMISSION_DENIED" });
}

test.each([page, "https://other.example"])(
  "over HTTP/2, a preflight of %s whose body never ends does not keep its stream",
  async (origin) => {
    const server = await start([page]);
    const session = http2.connect(server.url);
    try {
      const { headers } = preflightOf(origin);
      const stream = session.request({ ":method": "OPTIONS", ":path": rpc, ...headers }, { endStream: false });
      stream.resume();
      stream.write("x".repeat(100_000));
      await new Promise((resolve) => stream.once("close", resolve));
      expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
    } finally {
      session.destroy();
    }
  },
);

test("over HTTP/2, a page that speaks gRPC is answered as all are", async () => {
  const server = await start([page]);
  const grpc = { "content-type": "application/grpc", te: "trailers" };
  const [fromPage, fromProgram] = [await grpcCall(from(page, grpc)), await grpcCall(grpc)];
  expect(fromPage).toMatchObject({ origin: page, status: "0", body: fromProgram.body });
  expect(fromProgram).toMatchObject({ origin: undefined, status: "0" });

  async function grpcCall(headers: Record<string, string>) {
    const answer = await http2Request(server.url, { ":path": rpc, ...headers }, frame);
    const { "access-control-allow-origin": origin } = answer.headers;
    return { origin, status: answer.trailers["grpc-status"], body: answer.body.toString("hex") };
  }
});

test("a whole server takes the setting, and keeps handles closed", async () => {
  await using millpond = await setup({ MILLPOND_CORS_ORIGINS: `${page}/` });
  const list = await overHttp1(millpond.url, {
    path: "/millpond.v1.TaskService/ListTasks",
    headers: from(page),
    body: "{}",
  });
  expect(list).toMatchObject({ status: 200, headers: { "access-control-allow-origin": page } });
  const report = await overHttp1(millpond.url, { path: `/task/${taskId}?token=x`, headers: from(page), body: "{}" });
  expect(report.status).toBeGreaterThanOrEqual(400);
  expect(report.headers).not.toHaveProperty("access-control-allow-origin");
});
