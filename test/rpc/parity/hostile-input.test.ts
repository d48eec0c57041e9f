import http2 from "node:http2";
import net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { GetTaskRequestSchema, TaskService } from "../../../src/gen/millpond/v1/task_service_pb.ts";
import { grpcFrame, until } from "../server-harness.ts";
import { behaveHeader, type ParityServer, startPair, taskId } from "./parity-servers.ts";

const valid = grpcFrame(toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId })));

/** What one hostile exchange does: headers, pieces of a body that may be anything, and how it ends. */
const exchanges = fc.record({
  path: fc.constantFrom("/millpond.v1.TaskService/GetTask", "/millpond.v1.EventService/WatchEvents"),
  headers: fc.dictionary(
    fc.constantFrom(
      "grpc-timeout",
      "grpc-encoding",
      "grpc-accept-encoding",
      "x-request-id",
      "content-length",
      "expect",
      "te",
    ),
    fc.constantFrom("1n", "1m", "99999999H", "gzip", "br", "identity", "", ",,,", "0", "-1", "100-continue", "\u00ff"),
    { maxKeys: 3 },
  ),
  behaviour: fc.constantFrom(
    "ok",
    "wait",
    "never",
    "plain",
    "detail",
    "surrogate",
    "huge",
    "flood",
    "headers",
    "fail midway",
  ),
  contentType: fc.constantFrom(
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/json",
  ),
  pieces: fc.array(
    fc.oneof(
      fc.constant(valid),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
    {
      maxLength: 4,
    },
  ),
  end: fc.constantFrom("end", "cancel", "reset with an error", "leave open", "destroy the session"),
  trailers: fc.boolean(),
});

const paths = ["fast", "library"] as const;

test.each(paths)("nothing that a caller sends over HTTP/2 ends the process or goes unhandled: %s", async (which) => {
  const server = (await startPair({ requestTimeoutMs: 1_000, shutdownGraceMs: 0 }))[which];
  const unhandled = collectUnhandled();
  await fc.assert(
    fc.asyncProperty(fc.array(exchanges, { minLength: 1, maxLength: 8 }), async (together) => {
      const session = http2.connect(server.url);
      session.on("error", () => {});
      const closed = together.map((exchange) => attack(session, exchange));
      if (!session.destroyed) await new Promise<void>((resolve) => session.ping(() => resolve()));
      session.destroy();
      await Promise.all(closed);
      expect(unhandled).toEqual([]);
    }),
    { numRuns: 100 },
  );
  await expectAlive(server);
  expect(unhandled).toEqual([]);
});

test.each(paths)("nothing that a caller sends over HTTP/1.1 ends the process or goes unhandled: %s", async (which) => {
  const server = (await startPair({ requestTimeoutMs: 1_000, shutdownGraceMs: 0 }))[which];
  const unhandled = collectUnhandled();
  const requests = fc.record({
    behaviour: fc.constantFrom("ok", "wait", "never", "plain", "detail", "surrogate", "huge", "headers"),
    headers: fc.array(
      fc.constantFrom(
        "connect-timeout-ms: 1",
        "connect-timeout-ms: x",
        "accept-encoding: gzip, br",
        "content-encoding: gzip",
        "x-request-id: \u00ff",
        "expect: 100-continue",
        "transfer-encoding: chunked",
        "connection: close",
      ),
      { maxLength: 3 },
    ),
    body: fc.oneof(fc.constant(JSON.stringify({ taskId })), fc.string({ unit: "binary", maxLength: 40 })),
    lie: fc.integer({ min: -3, max: 3 }),
    isCutOff: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(requests, { minLength: 1, maxLength: 4 }), async (together) => {
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      for (const { behaviour, headers, body, lie } of together) {
        const length = Math.max(0, Buffer.byteLength(body) + lie);
        const lines = [`host: x`, "content-type: application/json", `${behaveHeader}: ${behaviour}`, ...headers];
        const head = `POST /millpond.v1.TaskService/GetTask HTTP/1.1\r\n${lines.join("\r\n")}\r\n`;
        socket.write(`${head}content-length: ${length}\r\n\r\n${body}`, "latin1");
      }
      await new Promise<void>((resolve) => socket.write("", () => resolve()));
      if (together[0]?.isCutOff === true) socket.resetAndDestroy();
      else socket.destroySoon();
      await new Promise((resolve) => (socket.closed ? resolve(undefined) : socket.on("close", resolve)));
      expect(unhandled).toEqual([]);
    }),
    { numRuns: 250 },
  );
  await expectAlive(server);
  expect(unhandled).toEqual([]);
});

type Exchange = typeof exchanges extends fc.Arbitrary<infer T> ? T : never;

/** Carries out one exchange; resolves when its stream has closed. */
function attack(session: http2.ClientHttp2Session, exchange: Exchange): Promise<void> {
  const { path, headers, behaviour, contentType, pieces, end, trailers } = exchange;
  let stream: http2.ClientHttp2Stream;
  try {
    stream = session.request(
      {
        ...{ ":method": "POST", ":path": path, "content-type": contentType, [behaveHeader]: behaviour },
        ...headers,
      },
      { waitForTrailers: trailers },
    );
  } catch {
    // What node:http2 itself does not send is no attack.
    return Promise.resolve();
  }
  stream.on("error", () => {});
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-late": "1" }));
  const closed = new Promise<void>((resolve) => stream.on("close", resolve));
  for (const piece of pieces) stream.write(piece);
  switch (end) {
    case "end":
      stream.end();
      stream.resume();
      break;
    case "cancel":
      stream.close(http2.constants.NGHTTP2_CANCEL);
      break;
    case "reset with an error":
      stream.end();
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
      break;
    case "destroy the session":
      session.destroy();
      break;
    case "leave open":
      break;
  }
  return closed;
}

function collectUnhandled(): unknown[] {
  const unhandled: unknown[] = [];
  const collect = (error: unknown) => void unhandled.push(error);
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event, collect);
    onTestFinished(() => void process.off(event, collect));
  }
  return unhandled;
}

async function expectAlive(server: ParityServer): Promise<void> {
  const client = createClient(TaskService, createGrpcTransport({ baseUrl: server.url }));
  expect((await client.getTask({ taskId })).task?.name).toBe("ok");
  const inFlight = async () =>
    (await server.registry.metrics()).match(/^millpond_rpc_in_flight\{.*GetTask.*\} (\d+)$/m)?.[1] ?? "0";
  await until(async () => (await inFlight()) === "0", "every call to end");
}
