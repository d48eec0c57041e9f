import net from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GetTaskRequestSchema } from "../../../src/gen/millpond/v1/task_service_pb.ts";
import { sendRaw, until } from "../server-harness.ts";
import { behaveHeader, expectSame, type ParityServer, startPair, taskId } from "./parity-servers.ts";

interface RawRequest {
  readonly line?: string;
  /** Instead of those that every request has; undefined leaves one out. */
  readonly headers?: Record<string, string | undefined>;
  readonly body?: string | Buffer;
  /** The body is sent in chunks of this size. */
  readonly chunkBytes?: number;
}

const json = JSON.stringify({ taskId });
const proto = Buffer.from(toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId })));
const asProto = { "content-type": "application/proto" };
const behaving = (how: string, headers: Record<string, string> = {}): RawRequest => ({
  headers: { [behaveHeader]: how, ...headers },
});

const requests: Record<string, RawRequest> = {
  "a valid request": {},
  "a valid request in Protobuf": { headers: asProto, body: proto },
  "a charset": { headers: { "content-type": "application/json; charset=utf-8" } },
  "another charset": { headers: { "content-type": "application/json; charset=latin1" } },
  "a content type in capitals": { headers: { "content-type": "Application/JSON" } },
  "another content type": { headers: { "content-type": "text/plain" } },
  "no content type": { headers: { "content-type": undefined } },
  "a body in chunks": { chunkBytes: 3 },
  "an empty body": { body: "" },
  "an empty message in Protobuf": { headers: asProto, body: "" },
  "no JSON": { body: "{" },
  "an unknown field": { body: '{"taskid": "x"}' },
  "a wrong type": { body: '{"taskId": 7}' },
  "a field that breaks the contract": { body: '{"taskId": "x"}' },
  "JSON that is not UTF-8": { body: Buffer.from([...Buffer.from('{"taskId": "'), 0xff, 0xfe, ...Buffer.from('"}')]) },
  "Protobuf that is not UTF-8": { headers: asProto, body: Buffer.from([0x0a, 2, 0xff, 0xfe]) },
  "Protobuf that is none": { headers: asProto, body: Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]) },
  "too much, announced": { body: `{"taskId": "${"x".repeat(300 * 1024)}"}` },
  "too much, in chunks": { body: `{"taskId": "${"x".repeat(300 * 1024)}"}`, chunkBytes: 64 * 1024 },
  gzip: { headers: { "content-encoding": "gzip" }, body: gzipSync(json) },
  "gzip that is none": { headers: { "content-encoding": "gzip" } },
  identity: { headers: { "content-encoding": "identity" } },
  "an unknown encoding": { headers: { "content-encoding": "zzz" } },
  "a version of the protocol": { headers: { "connect-protocol-version": "1" } },
  "an unknown version of the protocol": { headers: { "connect-protocol-version": "2" } },
  "a deadline": { headers: { "connect-timeout-ms": "10000" } },
  "a deadline that is none": { headers: { "connect-timeout-ms": "1.5" } },
  "a deadline of nothing": { headers: { "connect-timeout-ms": "0" } },
  "a deadline that is too far": { headers: { "connect-timeout-ms": "9999999999" } },
  "a deadline that passes": behaving("wait", { "connect-timeout-ms": "50" }),
  "a deadline that passes unnoticed": behaving("never", { "connect-timeout-ms": "50" }),
  "an expectation": { headers: { expect: "100-continue" } },
  "a request id that is malformed": { headers: { "x-request-id": "a b" } },
  GET: { line: "GET /millpond.v1.TaskService/GetTask HTTP/1.1", body: "" },
  "GET with a request": {
    line: `GET /millpond.v1.TaskService/GetTask?connect=v1&encoding=json&message=${encodeURIComponent(json)} HTTP/1.1`,
    body: "",
  },
  "GET with another encoding": { line: "GET /millpond.v1.TaskService/GetTask?encoding=yaml HTTP/1.1", body: "" },
  "GET of what is no base64": {
    line: "GET /millpond.v1.TaskService/GetTask?encoding=json&base64=1&message=*** HTTP/1.1",
    body: "",
  },
  PUT: { line: "PUT /millpond.v1.TaskService/GetTask HTTP/1.1" },
  HEAD: { line: "HEAD /millpond.v1.TaskService/GetTask HTTP/1.1", body: "" },
  "a query": { line: "POST /millpond.v1.TaskService/GetTask?a=1 HTTP/1.1" },
  "a whole URL": { line: "POST http://x/millpond.v1.TaskService/GetTask HTTP/1.1" },
  "an unknown method": { line: "POST /millpond.v1.TaskService/GetTusk HTTP/1.1" },
  "HTTP/1.0": { line: "POST /millpond.v1.TaskService/GetTask HTTP/1.0" },
  "no host": { line: "POST /millpond.v1.TaskService/GetTask HTTP/1.0", headers: { host: undefined } },
  "a host that is none": { headers: { host: "a b" } },
  "a host in capitals": { headers: { host: "EXAMPLE.com:80", [behaveHeader]: "context" } },
  metadata: behaving("context", { "x-in": "a, b", cookie: "a=1; b=2", "x-in-bin": "AAEC" }),
  "an error with details": behaving("detail"),
  "an error with details, compressed if it were larger": behaving("detail", { "accept-encoding": "gzip" }),
  "an error of the domain": behaving("domain"),
  "a defect": behaving("plain"),
  "an error with half a surrogate pair": behaving("surrogate"),
  "headers and trailers that the service sets": behaving("headers"),
  "a big answer": behaving("big"),
  "a big answer with gzip": behaving("big", { "accept-encoding": "zzz, gzip, br" }),
  "a big answer with brotli": behaving("big", { "accept-encoding": "br" }),
  "a big answer without compression": behaving("big", { "accept-encoding": "identity" }),
  "a small answer with gzip": { headers: { "accept-encoding": "gzip" } },
};

test("over HTTP/1.1, a unary call is the same with whatever it is sent", async () => {
  const pair = await startPair();
  for (const [name, request] of Object.entries(requests)) {
    await expectSame(pair, async ({ port }) => ({ name, answer: sorted(await sendRaw(port, [encode(request)])) }), {
      calls: 0,
    });
  }
});

test("over HTTP/1.1, requests that are sent together are answered in their order, on one connection", async () => {
  const pair = await startPair();
  const open = { headers: { connection: undefined } };
  const together = Buffer.concat([encode(open), encode({ ...open, body: "{" }), encode(open), encode({})]);
  const same = await expectSame(pair, async ({ port }) => {
    const answers = (await sendRaw(port, [together])).split(/(?=HTTP\/1\.1 \d)/);
    return { statuses: answers.map((answer) => answer.slice(9, 12)), answers: answers.map(sorted) };
  });
  expect(same).toMatchObject({ result: { statuses: ["200", "400", "200", "200"] } });
});

test("over HTTP/1.1, a caller that goes away ends its call, in the middle of its request and after it", async () => {
  const pair = await startPair();
  const whole = encode(behaving("wait"));
  for (const bytes of [whole.subarray(0, -3), whole]) {
    await expectSame(pair, async (server: ParityServer) => {
      const before = server.seen.signals.length;
      const isThere = bytes === whole ? () => server.seen.signals.length > before : undefined;
      await turnAway(server, bytes, isThere);
      return server.seen.signals.every(({ aborted }) => aborted);
    });
  }
});

async function turnAway(server: ParityServer, bytes: Buffer, isThere: (() => boolean) | undefined): Promise<void> {
  const socket = net.connect(server.port, "127.0.0.1");
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  if (isThere !== undefined) await until(isThere, "the call");
  else await new Promise((resolve) => setImmediate(resolve));
  socket.end();
  socket.resume();
  await new Promise((resolve) => socket.on("close", resolve));
}

function encode({ line, headers, body = json, chunkBytes }: RawRequest): Buffer {
  const bytes = Buffer.from(body);
  const all: Record<string, string | undefined> = {
    ...{ host: "x", "content-type": "application/json", connection: "close", "x-request-id": "r1" },
    ...(chunkBytes === undefined ? { "content-length": String(bytes.length) } : { "transfer-encoding": "chunked" }),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]));
  const head = `${line ?? "POST /millpond.v1.TaskService/GetTask HTTP/1.1"}\r\n${lines.join("")}\r\n`;
  return Buffer.concat([Buffer.from(head), ...(chunkBytes === undefined ? [bytes] : chunked(bytes, chunkBytes))]);
}

function chunked(bytes: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = bytes.subarray(at, at + size);
    chunks.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
  }
  return [...chunks, Buffer.from("0\r\n\r\n")];
}

/** An answer with its headers in order: their order is nobody's business. */
function sorted(answer: string): { head: string[]; body: string } {
  const interim = "HTTP/1.1 100 Continue\r\n\r\n";
  const end = answer.indexOf("\r\n\r\n", answer.startsWith(interim) ? interim.length : 0);
  const head = answer.slice(0, end).replace(/^date: .*/gim, "date: <date>");
  return { head: head.toLowerCase().split("\r\n").toSorted(), body: answer.slice(end) };
}
