import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { BatchService, GetBatchResponseSchema } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { withUnaryCalls } from "../../sdk/typescript/src/grpc/unary-transport.ts";

/** What a server does with one request, once it has read it. */
type Answer = (stream: ServerHttp2Stream) => void;

/** A server that answers as it is told, and two clients of it: with the SDK's own calls, and with connect's. */
async function setup(answer: Answer, { path = "" } = {}) {
  const seen: http2.IncomingHttpHeaders[] = [];
  const server = http2.createServer();
  const sessions: http2.ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream, headers) => {
    seen.push(headers);
    // Clients that break a call off.
    stream.on("error", () => {});
    stream.resume().on("end", () => answer(stream));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const managers = [new Http2SessionManager(baseUrl), new Http2SessionManager(baseUrl)] as const;
  const connect = createGrpcTransport({ baseUrl, sessionManager: managers[0], acceptCompression: [] });
  const own = withUnaryCalls(connect, { baseUrl, sessions: managers[1], interceptors: [] });
  onTestFinished(async () => {
    for (const manager of managers) manager.abort();
    for (const session of sessions) session.destroy();
    server.close();
    await once(server, "close");
  });
  return { seen, own, connect };
}

interface Outcome {
  readonly batchId?: string | undefined;
  readonly code?: string;
  readonly message?: string;
  readonly metadata?: string | null;
  readonly details?: number;
}

async function callBatch(transport: Transport, options: { timeoutMs?: number; signal?: AbortSignal } = {}) {
  const client = createClient(BatchService, transport);
  let outcome: Outcome;
  try {
    outcome = { batchId: (await client.getBatch({ batchId: "b" }, options)).batch?.batchId };
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ConnectError);
    const { code, rawMessage, metadata, details } = thrown as ConnectError;
    outcome = { code: Code[code], message: rawMessage, metadata: metadata.get("x-why"), details: details.length };
  }
  return outcome;
}

const grpcHeaders = { ":status": 200, "content-type": "application/grpc+proto" };

function envelope(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const batch = toBinary(GetBatchResponseSchema, create(GetBatchResponseSchema, { batch: { batchId: "b" } }));

/** Answers headers, a body and trailers. */
function answerWith({
  headers = grpcHeaders as http2.OutgoingHttpHeaders,
  body = envelope(batch),
  trailers = { "grpc-status": "0" } as http2.OutgoingHttpHeaders,
} = {}): Answer {
  return (stream) => {
    stream.respond(headers, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(body);
  };
}

const notFound = { "grpc-status": "5", "grpc-message": "no%20batch", "x-why": "gone" };

const answers: Record<string, Answer> = {
  "a message": answerWith(),
  "a message with the shorter content type": answerWith({
    headers: { ...grpcHeaders, "content-type": "application/grpc" },
  }),
  "a message that says that it is not compressed": answerWith({
    headers: { ...grpcHeaders, "grpc-encoding": "identity" },
  }),
  "an empty message": answerWith({ body: envelope(new Uint8Array()) }),
  "an error in trailers": answerWith({ body: Buffer.alloc(0), trailers: notFound }),
  "an error in trailers after a message": answerWith({ trailers: notFound }),
  "an error in headers": (stream) => stream.respond({ ...grpcHeaders, ...notFound }, { endStream: true }),
  "no message": answerWith({ body: Buffer.alloc(0) }),
  "no status": answerWith({ trailers: {} }),
  "another content type": answerWith({
    headers: { ":status": 200, "content-type": "text/html" },
    body: Buffer.from("hello"),
  }),
  "another HTTP status": answerWith({
    headers: { ":status": 503, "content-type": "text/html" },
    body: Buffer.from("busy"),
  }),
  "a compression that was not offered": answerWith({ headers: { ...grpcHeaders, "grpc-encoding": "br" } }),
  "a stream that is canceled": (stream) => stream.close(http2.constants.NGHTTP2_CANCEL),
};

test.each(Object.entries(answers))("%s means the same as to connect", async (_, answer) => {
  const { own, connect } = await setup(answer);
  const outcome = await callBatch(own);
  expect(outcome).toEqual(await callBatch(connect));
});

const broken: Record<string, Answer> = {
  "two messages": answerWith({ body: Buffer.concat([envelope(batch), envelope(batch)]) }),
  "half a message": answerWith({ body: envelope(batch).subarray(0, 9) }),
  "a message that is marked as compressed": answerWith({ body: envelope(batch, 1) }),
  "bytes that are no message": answerWith({ body: envelope(Buffer.from([0x0a, 0x7f])) }),
  "a refused stream": (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM),
  "a stream that fails": (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
};

test.each(Object.entries(broken))("%s fails with the code of connect", async (_, answer) => {
  const { own, connect } = await setup(answer);
  const { code } = await callBatch(own);
  expect(code).toBe((await callBatch(connect)).code);
  expect(code).toBeDefined();
});

test("a stream that ends without an answer fails the call", async () => {
  const { own } = await setup((stream) => stream.close());
  expect(await callBatch(own)).toMatchObject({ code: "Internal" });
});

test("an answer in many pieces is put together", async () => {
  const batchId = "x".repeat(300_000);
  const message = toBinary(GetBatchResponseSchema, create(GetBatchResponseSchema, { batch: { batchId } }));
  const { own } = await setup(answerWith({ body: envelope(message) }));
  expect(await callBatch(own)).toEqual({ batchId });
});

test("the request is the same as connect's, with the path of the address before the method", async () => {
  const { own, connect, seen } = await setup(answerWith(), { path: "/behind" });
  await callBatch(own, { timeoutMs: 9_000 });
  await callBatch(connect, { timeoutMs: 9_000 });

  expect(seen[0]).toEqual(seen[1]);
  expect(seen[0]).toMatchObject({ ":path": "/behind/millpond.v1.BatchService/GetBatch", "grpc-timeout": "9000m" });
});

test("a deadline that passes ends the call at the server, too", async () => {
  const closed = Promise.withResolvers<number | undefined>();
  const { own } = await setup((stream) => stream.on("close", () => closed.resolve(stream.rstCode)));
  expect(await callBatch(own, { timeoutMs: 20 })).toMatchObject({ code: "DeadlineExceeded" });
  expect(await closed.promise).toBe(http2.constants.NGHTTP2_CANCEL);
});

test("a caller that turns away ends the call at the server, too", async () => {
  const leaving = new AbortController();
  const closed = Promise.withResolvers<number | undefined>();
  const { own } = await setup((stream) => {
    stream.on("close", () => closed.resolve(stream.rstCode));
    leaving.abort();
  });
  expect(await callBatch(own, { signal: leaving.signal })).toMatchObject({ code: "Canceled" });
  expect(await closed.promise).toBe(http2.constants.NGHTTP2_CANCEL);
});

test("a caller that turns away before there is a connection is let go at once", async () => {
  const { own } = await setup(answerWith());
  const leaving = new AbortController();
  const outcome = callBatch(own, { signal: leaving.signal });
  leaving.abort();
  expect(await outcome).toMatchObject({ code: "Canceled" });
  expect(await callBatch(own, { signal: leaving.signal })).toMatchObject({ code: "Canceled" });
  expect(await callBatch(own)).toEqual({ batchId: "b" });
});

test("headers and trailers can be read", async () => {
  const trailers = { "grpc-status": "0", "x-after": "2" };
  const { own } = await setup(answerWith({ headers: { ...grpcHeaders, "x-before": "1" }, trailers }));
  const seen: (string | null)[] = [];
  await createClient(BatchService, own).getBatch(
    { batchId: "b" },
    {
      onHeader: (header) => seen.push(header.get("x-before")),
      onTrailer: (trailer) => seen.push(trailer.get("x-after")),
    },
  );
  expect(seen).toEqual(["1", "2"]);
});
