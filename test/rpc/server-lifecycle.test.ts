import http2 from "node:http2";
import net from "node:net";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { errorOf, postJson, startFakeServer, until } from "./server-harness.ts";

const taskId = "0190a0b0-0000-7000-8000-000000000001";

describe("stopping", () => {
  test("ends open streams with UNAVAILABLE and lets calls finish", async () => {
    const finish = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const server = await startFakeServer(
      {
        tasks: {
          getTask: async () => {
            started.resolve();
            await finish.promise;
            return { task: { name: "finished" } };
          },
        },
        events: {
          async *watchEvents(_request, { signal }) {
            yield { cursor: "1" };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            signal.throwIfAborted();
          },
        },
      },
      { shutdownGraceMs: 30_000 },
    );
    const transport = createGrpcTransport({ baseUrl: server.url });
    const stream = createClient(EventService, transport).watchEvents({})[Symbol.asyncIterator]();
    await stream.next();
    const overHttp2 = createClient(TaskService, transport).getTask({ taskId });
    const overHttp1 = createClient(
      TaskService,
      createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }),
    ).getTask({ taskId });
    await started.promise;
    await until(async () => (await server.registry.metrics()).includes('method="GetTask"} 2'), "both calls");
    const stopped = server.stop();
    expect(server.stop()).toBe(stopped);
    expect((await errorOf(stream.next())).code).toBe(Code.Unavailable);
    finish.resolve();
    expect((await overHttp2).task?.name).toBe("finished");
    expect((await overHttp1).task?.name).toBe("finished");
    await stopped;
    await expect(fetch(server.url)).rejects.toThrow();
  });

  test("cuts what has not ended when the grace is over: a stubborn call and half a request", async () => {
    const { promise: never } = Promise.withResolvers<never>();
    const server = await startFakeServer({ tasks: { getTask: () => never } });
    const half = net.connect(server.port, "127.0.0.1");
    half.on("error", () => {});
    await new Promise<void>((resolve) =>
      half.write(
        "POST /millpond.v1.TaskService/GetTask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        () => resolve(),
      ),
    );
    const call = errorOf(createClient(TaskService, createGrpcTransport({ baseUrl: server.url })).getTask({ taskId }));
    await until(async () => (await server.registry.metrics()).includes('method="GetTask"} 1'), "the call");
    const startedAt = performance.now();
    await server.stop(150);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect([Code.Unavailable, Code.Canceled, Code.Aborted, Code.Internal]).toContain((await call).code);
    await until(() => half.destroyed, "the half request's end");
  });

  test("closes idle connections and half-sent headers at once", async () => {
    const server = await startFakeServer({}, { shutdownGraceMs: 30_000 });
    await fetch(`${server.url}/healthz`);
    const session = http2.connect(server.url);
    await new Promise((resolve) => session.once("connect", resolve));
    const halves = ["", "PRI * H", "GET /healthz HTTP/1.1\r\nHos"].map((bytes) => {
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      if (bytes !== "") socket.write(bytes);
      return new Promise((resolve) => socket.on("close", resolve));
    });
    await fetch(`${server.url}/healthz`);
    await server.stop();
    await Promise.all(halves);
    await until(() => session.destroyed, "the session's end");
  });
});

describe("probes", () => {
  test("/readyz says why the server is not ready, and /healthz does not care", async () => {
    let state = { ok: true, detail: "connected" };
    let asked = 0;
    const server = await startFakeServer(
      {},
      {
        ready: async () => {
          asked++;
          return state;
        },
      },
    );
    const readyz = async () => {
      const answer = await fetch(`${server.url}/readyz`);
      return { status: answer.status, body: await answer.json() };
    };
    expect(await readyz()).toEqual({ status: 200, body: { status: "ready", detail: "connected" } });
    await Promise.all([readyz(), readyz(), readyz()]);
    expect(asked).toBe(1);
    state = { ok: false, detail: "the database is away: connection refused" };
    await until(async () => (await readyz()).status === 503, "readiness to be asked again");
    expect(await readyz()).toEqual({ status: 503, body: { status: "not ready", detail: state.detail } });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test("/readyz is 503 when the question itself fails", async () => {
    const server = await startFakeServer({}, { ready: () => Promise.reject(new Error("no pool")) });
    const answer = await fetch(`${server.url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ detail: "no pool" });
  });

  test("answer HEAD without a body, and other methods with 405", async () => {
    const server = await startFakeServer();
    const head = await fetch(`${server.url}/healthz`, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(0);
    expect(await head.text()).toBe("");
    const post = await fetch(`${server.url}/healthz`, { method: "POST" });
    expect(post.status).toBe(405);
    expect(post.headers.get("allow")).toBe("GET");
  });
});

describe("gRPC health", () => {
  test("Check and List follow readiness, as a whole and per service", async () => {
    let ok = true;
    const server = await startFakeServer({}, { ready: async () => ({ ok, detail: "" }) });
    const health = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    for (const service of ["", "millpond.v1.TaskService", "grpc.health.v1.Health"]) {
      expect((await health.check({ service })).status).toBe(Status.SERVING);
    }
    expect((await errorOf(health.check({ service: "nope" }))).code).toBe(Code.NotFound);
    expect(Object.keys((await health.list({})).statuses)).toContain("millpond.v1.TaskService");
    ok = false;
    await until(async () => (await health.check({})).status === Status.NOT_SERVING, "the change");
    expect(server.log.every(({ method, level }) => method !== "grpc.health.v1.Health/Check" || level === 20)).toBe(
      true,
    );
  });

  test("Watch tells each change, and NOT_SERVING before a stopping server ends it", async () => {
    let ok = true;
    const server = await startFakeServer({}, { ready: async () => ({ ok, detail: "" }), shutdownGraceMs: 30_000 });
    const health = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    const watch = health.watch({ service: "millpond.v1.TaskService" })[Symbol.asyncIterator]();
    expect((await watch.next()).value.status).toBe(Status.SERVING);
    ok = false;
    expect((await watch.next()).value.status).toBe(Status.NOT_SERVING);
    ok = true;
    expect((await watch.next()).value.status).toBe(Status.SERVING);
    const unknown = health.watch({ service: "nope" })[Symbol.asyncIterator]();
    expect((await unknown.next()).value.status).toBe(Status.SERVICE_UNKNOWN);
    const stopped = server.stop();
    expect((await watch.next()).value.status).toBe(Status.NOT_SERVING);
    expect((await errorOf(watch.next())).code).toBe(Code.Unavailable);
    expect((await errorOf(unknown.next())).code).toBe(Code.Unavailable);
    await stopped;
  });
});

describe("plain HTTP routes", () => {
  test("have parameters, a query and a bounded body, and answer errors like RPCs", async () => {
    const server = await startFakeServer(
      {},
      {
        maxMessageBytes: 64 * 1024,
        httpRoutes: [
          {
            methods: ["POST", "PATCH"],
            path: "/task/:taskId",
            handle: async ({ params, query, readBody }) => {
              const body = (await readBody()).toString();
              if (body === "lost") throw new MillpondError("TASK_NOT_FOUND", `no task ${params.taskId}`);
              if (body === "bug") throw new Error("hunter2");
              return { status: 200, body: { ...params, token: query.get("token"), size: body.length } };
            },
          },
        ],
      },
    );
    const url = `${server.url}/task/a%20b?token=t%26`;
    expect((await postJson(url, "{}")).json).toEqual({ taskId: "a b", token: "t&", size: 2 });
    expect(await postJson(url, "lost")).toMatchObject({
      status: 404,
      json: { code: "not_found", message: "no task a b" },
    });
    const bug = await postJson(url, "bug", { "x-request-id": "r7" });
    expect(bug).toMatchObject({ status: 500, json: { message: "internal error (request id r7)" } });
    expect(bug.text).not.toContain("hunter2");
    expect((await postJson(url, "x".repeat(100_000))).status).toBe(429);
    expect((await postJson(`${server.url}/task/`, "{}")).status).toBe(404);
    expect((await postJson(`${server.url}/task/%zz`, "{}")).status).toBe(404);
    expect((await fetch(url)).status).toBe(405);
  });
});
