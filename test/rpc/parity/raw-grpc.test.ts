import http2 from "node:http2";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { WatchEventsRequestSchema } from "../../../src/gen/millpond/v1/event_service_pb.ts";
import { GetTaskRequestSchema } from "../../../src/gen/millpond/v1/task_service_pb.ts";
import { grpcFrame, until } from "../server-harness.ts";
import { behaveHeader, expectSame, framesOf, type ParityServer, startPair, taskId } from "./parity-servers.ts";

const getTask = "/millpond.v1.TaskService/GetTask";
const watchEvents = "/millpond.v1.EventService/WatchEvents";
const task = toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId }));
const watch = toBinary(WatchEventsRequestSchema, create(WatchEventsRequestSchema, { filter: {} }));
const garbage = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);

interface RawRequest {
  readonly headers?: http2.OutgoingHttpHeaders;
  /** The body, in the pieces in which it is sent; undefined leaves the request unfinished. */
  readonly pieces?: readonly (Buffer | undefined)[];
}

function compressed(bytes: Uint8Array): Buffer {
  const frame = grpcFrame(bytes);
  frame[0] = 1;
  return frame;
}

/** Requests whose answers must not differ. `message` is a valid request of the method. */
function requestsWith(message: Uint8Array): Record<string, RawRequest> {
  const valid = [grpcFrame(message)];
  const flagged = grpcFrame(message);
  flagged[0] = 0xfe;
  return {
    "a valid one": { pieces: valid },
    "one byte after the other": { pieces: [...grpcFrame(message)].map((byte) => Buffer.from([byte])) },
    "the full name of the content type": { headers: { "content-type": "application/grpc+proto" }, pieces: valid },
    "a content type in capitals": { headers: { "content-type": "Application/GRPC" }, pieces: valid },
    "a content type with parameters": { headers: { "content-type": "application/grpc; charset=utf-8" }, pieces: valid },
    "an unknown codec": { headers: { "content-type": "application/grpc+thrift" }, pieces: valid },
    "another content type": { headers: { "content-type": "text/plain" }, pieces: valid },
    "no body": { pieces: [] },
    "half a prefix": { pieces: [Buffer.from([0, 0, 0])] },
    "a short frame": { pieces: [grpcFrame(message, message.length + 9)] },
    "two messages": { pieces: [grpcFrame(message), grpcFrame(message)] },
    "an empty message": { pieces: [grpcFrame(Buffer.alloc(0))] },
    garbage: { pieces: [grpcFrame(garbage)] },
    "flags that mean nothing": { pieces: [flagged] },
    "a frame that announces too much": { pieces: [grpcFrame(message, 300 * 1024)] },
    "a frame that announces far too much": { pieces: [grpcFrame(message, 0xffffffff)] },
    "a message that is too large": { pieces: [grpcFrame(Buffer.alloc(400 * 1024))] },
    gzip: { headers: { "grpc-encoding": "gzip" }, pieces: [compressed(gzipSync(message))] },
    brotli: { headers: { "grpc-encoding": "br" }, pieces: [compressed(brotliCompressSync(message))] },
    "gzip announced and not used": { headers: { "grpc-encoding": "gzip" }, pieces: valid },
    "gzip used and not announced": { pieces: [compressed(gzipSync(message))] },
    "gzip announced as identity": { headers: { "grpc-encoding": "identity" }, pieces: [compressed(gzipSync(message))] },
    "gzip that is none": { headers: { "grpc-encoding": "gzip" }, pieces: [compressed(Buffer.from("not gzip"))] },
    "gzip of garbage": { headers: { "grpc-encoding": "gzip" }, pieces: [compressed(gzipSync(garbage))] },
    "gzip of too much": {
      headers: { "grpc-encoding": "gzip" },
      pieces: [compressed(gzipSync(Buffer.alloc(10 * 1024 * 1024)))],
    },
    "gzip of nothing": { headers: { "grpc-encoding": "gzip" }, pieces: [compressed(Buffer.alloc(0))] },
    "an unknown encoding": { headers: { "grpc-encoding": "zzz" }, pieces: valid },
    "encodings that it accepts": { headers: { "grpc-accept-encoding": "zzz, gzip,br" }, pieces: valid },
    "no encoding that it accepts": { headers: { "grpc-accept-encoding": "zzz" }, pieces: valid },
    "a deadline": { headers: { "grpc-timeout": "10S" }, pieces: valid },
    "a deadline that is none": { headers: { "grpc-timeout": "soon" }, pieces: valid },
    "a deadline that is too far": { headers: { "grpc-timeout": "99999999H" }, pieces: valid },
    "a deadline of nothing": { headers: { "grpc-timeout": "0m" }, pieces: valid },
    "a deadline that has passed": { headers: { "grpc-timeout": "50m", [behaveHeader]: "wait" }, pieces: valid },
    "another method": { headers: { ":method": "PUT" }, pieces: valid },
    GET: { headers: { ":method": "GET" } },
    "a query": { headers: { ":path": `${getTask}?a=1` }, pieces: valid },
    "a trailing slash": { headers: { ":path": `${getTask}/` }, pieces: valid },
    "an authority that is none": { headers: { ":authority": "a b" }, pieces: valid },
    "an authority with capitals": {
      headers: { ":authority": "EXAMPLE.com:80", [behaveHeader]: "context" },
      pieces: valid,
    },
    metadata: {
      headers: { "x-in": ["a", "b"], "x-in-bin": "AAEC", cookie: ["a=1", "b=2"], [behaveHeader]: "context" },
      pieces: valid,
    },
    "a malformed request id": { headers: { "x-request-id": "a b" }, pieces: valid },
    "an expectation": { headers: { expect: "100-continue" }, pieces: valid },
    "headers that the service sets": { headers: { [behaveHeader]: "headers" }, pieces: valid },
  };
}

/**
 * What the fast path answers otherwise, on purpose. With these the library goes on reading: it tells an incomplete second
 * message from a complete one, and takes a frame without its message for no frame.
 */
const intended: Record<string, RawRequest> = {
  "a message and half a frame": { pieces: [grpcFrame(task), Buffer.from([0, 0, 0, 0, 9, 1])] },
  "a prefix and nothing else": { pieces: [Buffer.from([0, 0, 0, 0, 9])] },
};

test.each([
  ["a unary call", getTask, task],
  ["a call that is answered with a stream", watchEvents, watch],
])("%s is the same with whatever it is sent", async (_what, path, message) => {
  const pair = await startPair();
  for (const [name, request] of Object.entries(requestsWith(message))) {
    await expectSame(pair, async (server) => ({ name, ...(await send(server, path, request)) }), {
      calls: loggedCalls(name),
    });
  }
});

test("an intended difference: what follows a whole message, and a prefix without its message, are refused at once", async () => {
  const { fast } = await startPair();
  const statuses = [];
  for (const request of Object.values(intended)) {
    const { trailers } = await send(fast, getTask, request);
    statuses.push(trailers["grpc-status"]);
  }
  expect(statuses).toEqual(["12", "3"]);
});

test("an intended difference: headers of a service that HTTP/2 forbids end a call in its own protocol", async () => {
  const pair = await startPair();
  const request = { headers: { [behaveHeader]: "forbidden" }, pieces: [grpcFrame(task)] };
  const { headers } = await send(pair.fast, getTask, request);
  expect(headers).toMatchObject({ ":status": 200, "grpc-status": "13", "x-request-id": "r1" });
  const library = await send(pair.library, getTask, request);
  expect(library).toMatchObject({ headers: {}, trailers: {} });
  for (const { log } of [pair.fast, pair.library]) {
    expect(log.find(({ level }) => level === 50)).toMatchObject({
      msg: "a request could not be answered",
      requestId: "r1",
    });
  }
});

/** Requests that no interceptor and no request gate sees are not in the log as calls. */
function loggedCalls(name: string): number {
  const none =
    /content type with|content type in|unknown codec|another content type|another method|^GET$|slash|authority that is none/;
  return none.test(name) ? 0 : 1;
}

async function send(
  server: ParityServer,
  path: string,
  request: RawRequest,
): Promise<{ headers: http2.IncomingHttpHeaders; trailers: http2.IncomingHttpHeaders; frames: unknown; text: string }> {
  const session = http2.connect(server.url);
  session.on("error", () => {});
  const seen = { headers: {} as http2.IncomingHttpHeaders, trailers: {} as http2.IncomingHttpHeaders };
  const chunks: Buffer[] = [];
  try {
    const stream = session.request(
      {
        ...{ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" },
        ...{ "x-request-id": "r1", ...request.headers },
      },
      { endStream: request.pieces === undefined },
    );
    stream.on("error", () => {});
    stream.on("response", (headers) => {
      seen.headers = headers;
    });
    stream.on("trailers", (trailers) => {
      seen.trailers = trailers;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    let isOver = false;
    stream.on("close", () => {
      isOver = true;
    });
    for (const piece of request.pieces ?? []) {
      if (stream.destroyed) break;
      stream.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!stream.destroyed) stream.end();
    const isAnswered = () => (seen.trailers["grpc-status"] ?? seen.headers["grpc-status"]) !== undefined;
    await until(() => isOver || (isAnswered() && stream.readableEnded), "the answer");
  } finally {
    session.destroy();
  }
  const body = Buffer.concat(chunks);
  const isGrpc = String(seen.headers["content-type"]).startsWith("application/grpc");
  return { ...seen, frames: isGrpc ? framesOf(body) : [], text: isGrpc ? "" : body.toString() };
}
