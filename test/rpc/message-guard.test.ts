import http2 from "node:http2";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { describe, expect, test } from "vitest";
import { CreateTasksRequestSchema, ListTasksRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { jsonValuesMax } from "../../src/wire/scan-json.ts";
import { embeddedMessagesMax } from "../../src/wire/scan-message.ts";
import { encodedField, repeated } from "../support/encoded-fields.ts";
import { detailsOf, type Fakes, grpcFrame, http2Request, startFakeServer } from "./server-harness.ts";

const maxMessageBytes = 16 * 1024 * 1024;
const service = "/millpond.v1.TaskService";

/** The smallest items that there are, enough of them to be too many: test/chaos/large-messages.test.ts sends as many as a message can hold. */
const tasks = repeated(encodedField(4, Buffer.alloc(0)), 500_000);
const rules = encodedField(4, repeated(encodedField(16, Buffer.alloc(0)), 500_000));
const values = encodedField(
  4,
  encodedField(7, encodedField(6, repeated(encodedField(1, Buffer.alloc(0)), embeddedMessagesMax))),
);
const jsonTasks = `{"tasks":[${"{},".repeat(500_000)}{}]}`;
const jsonRules = `{"tasks":[{},{"rules":[${"0,".repeat(500_000)}0]}]}`;
const jsonValues = `{"tasks":[{"input":[${"0,".repeat(jsonValuesMax)}0]}]}`;

const tooManyTasks = { code: Code.InvalidArgument, reason: "INVALID_FIELD", fields: ["tasks"] };
const tooManyRules = { code: Code.InvalidArgument, reason: "INVALID_FIELD", fields: ["tasks[0].rules"] };
const tooManyValues = { code: Code.ResourceExhausted, reason: "LIMIT_EXCEEDED", fields: [] };

interface Sent {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  readonly headers?: Record<string, string>;
}

function framed(message: Uint8Array, flags = 0): Buffer {
  const frame = grpcFrame(message);
  frame[0] = flags;
  return frame;
}

/** A message of StreamCounts. */
const small = Buffer.concat([encodedField(1, Buffer.from("p")), Buffer.from([0x10, 1])]);

/** How a request is sent, and its error found in what comes back. */
type Send = (url: string, sent: Sent) => Promise<ConnectError>;

const overHttp2: Send = async (url, { path, type, body, headers = {} }) => {
  const answer = await http2Request(url, { ":path": path, "content-type": type, ...headers }, body);
  const all = new Headers();
  for (const [name, value] of Object.entries({ ...answer.headers, ...answer.trailers })) {
    if (!name.startsWith(":")) all.set(name, String(value));
  }
  return errorIn(type, answer.body, all);
};

const overHttp1: Send = async (url, { path, type, body, headers = {} }) => {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": type, ...headers },
    body: new Uint8Array(body),
  });
  return errorIn(type, Buffer.from(await answer.arrayBuffer()), answer.headers);
};

function errorIn(type: string, body: Buffer, headers: Headers): ConnectError {
  const none = new ConnectError("no error");
  if (type.startsWith("application/grpc-web")) {
    const lines = lastFrame(body).toString().trim().split("\r\n");
    const trailers = new Headers(lines.map((line) => line.split(": ", 2) as [string, string]));
    return findTrailerError(trailers) ?? none;
  }
  if (type.startsWith("application/grpc")) return findTrailerError(headers) ?? none;
  const end = type.startsWith("application/connect") ? lastFrame(body) : body;
  const json = end[0] === "{".charCodeAt(0) ? JSON.parse(end.toString()) : {};
  const error = json.error ?? json;
  return error.code === undefined ? none : errorFromJson(error, undefined, none);
}

/** What stands in the last of the frames of a body. */
function lastFrame(body: Buffer): Buffer {
  const next = 5 + body.readUInt32BE(1);
  return next < body.length ? lastFrame(body.subarray(next)) : body.subarray(5);
}

function shown(error: ConnectError) {
  const { reason, fields } = detailsOf(error);
  return { code: error.code, reason, fields };
}

let created: number;
const fakes: Fakes = {
  tasks: {
    createTasks: (request) => {
      created = request.tasks.length;
      return {};
    },
    listTasks: () => ({}),
    async uploadTasks(requests) {
      for await (const { tasks: some } of requests) created += some.length;
      return {};
    },
    async *streamReports(requests) {
      for await (const _ of requests) yield {};
    },
    async *streamCounts(requests) {
      for await (const _ of requests) yield {};
    },
  },
};

const createPath = `${service}/CreateTasks`;
const unary: [string, Send, string, (message: Uint8Array) => Partial<Sent> & { body: Buffer }, boolean][] = [
  ["gRPC", overHttp2, "application/grpc", (message) => ({ body: framed(message) }), true],
  [
    "gRPC with gzip",
    overHttp2,
    "application/grpc",
    (message) => ({ body: framed(gzipSync(message), 1), headers: { "grpc-encoding": "gzip" } }),
    true,
  ],
  [
    "gRPC with brotli",
    overHttp2,
    "application/grpc",
    (message) => ({ body: framed(brotliCompressSync(message), 1), headers: { "grpc-encoding": "br" } }),
    true,
  ],
  ["gRPC with JSON", overHttp2, "application/grpc+json", (message) => ({ body: framed(message) }), false],
  ["gRPC-Web on HTTP/1.1", overHttp1, "application/grpc-web+proto", (message) => ({ body: framed(message) }), true],
  ["gRPC-Web on HTTP/2", overHttp2, "application/grpc-web", (message) => ({ body: framed(message) }), true],
  ["Connect on HTTP/1.1", overHttp1, "application/proto", (message) => ({ body: Buffer.from(message) }), true],
  [
    "Connect on HTTP/1.1 with JSON",
    overHttp1,
    "application/json",
    (message) => ({ body: Buffer.from(message) }),
    false,
  ],
  [
    "Connect on HTTP/1.1 with gzip",
    overHttp1,
    "application/proto",
    (message) => ({ body: gzipSync(message), headers: { "content-encoding": "gzip" } }),
    true,
  ],
  [
    "Connect on HTTP/1.1 with JSON and gzip",
    overHttp1,
    "application/json",
    (message) => ({ body: gzipSync(message), headers: { "content-encoding": "gzip" } }),
    false,
  ],
  ["Connect on HTTP/2", overHttp2, "application/proto", (message) => ({ body: Buffer.from(message) }), true],
  [
    "Connect on HTTP/2 with JSON",
    overHttp2,
    "application/json; charset=utf-8",
    (message) => ({ body: Buffer.from(message) }),
    false,
  ],
];

describe.each([true, false])("with the fast path: %s", (rpcFastPath) => {
  test.each(unary)(
    "what would become too large is refused over %s, and the next call is answered",
    async (_name, send, type, bodyOf, isBinary) => {
      const server = await startFakeServer(fakes, { maxMessageBytes, rpcFastPath });
      const call = async (message: Uint8Array) =>
        shown(await send(server.url, { path: createPath, type, ...bodyOf(message) }));
      const given = isBinary
        ? [tasks, rules, values]
        : [jsonTasks, jsonRules, jsonValues].map((json) => Buffer.from(json));
      const [many, nested, loose] = given as [Buffer, Buffer, Buffer];
      expect(await call(many)).toEqual(tooManyTasks);
      expect(await call(nested)).toEqual(isBinary ? tooManyRules : { ...tooManyRules, fields: ["tasks[1].rules"] });
      expect(await call(loose)).toEqual(tooManyValues);
      // What is large, and within its bounds, is not.
      created = 0;
      const [name, kind] = ["n".repeat(50), "k"];
      const large = isBinary
        ? repeated(
            encodedField(4, Buffer.concat([encodedField(2, Buffer.from(name)), encodedField(3, Buffer.from(kind))])),
            8_000,
          )
        : Buffer.from(JSON.stringify({ tasks: Array.from({ length: 8_000 }, () => ({ name, kind })) }));
      expect((await call(large)).reason).toBeUndefined();
      expect(created).toBe(8_000);
    },
  );

  test.each([
    ["gRPC", "application/grpc", overHttp2],
    ["Connect", "application/connect+proto", overHttp2],
    ["gRPC-Web", "application/grpc-web", overHttp2],
  ])("messages of streams are refused one by one over %s", async (_name, type, send) => {
    const server = await startFakeServer(fakes, { maxMessageBytes, rpcFastPath });
    const items = (field: number) => framed(repeated(encodedField(field, Buffer.alloc(0)), 500_000));
    const reports = await send(server.url, { path: `${service}/StreamReports`, type, body: items(2) });
    expect(shown(reports)).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_FIELD", fields: ["reports"] });
    const counts = await send(server.url, {
      path: `${service}/StreamCounts`,
      type,
      body: Buffer.concat([framed(small), items(3)]),
    });
    expect(shown(counts)).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_FIELD", fields: ["counts"] });
  });

  test.each([
    ["gRPC", "application/grpc", 0],
    ["Connect", "application/connect+proto", 0],
    ["gRPC with gzip", "application/grpc", 1],
  ])("messages of uploads are refused over %s", async (_name, type, flags) => {
    const server = await startFakeServer(fakes, { maxMessageBytes, rpcFastPath });
    const headers = flags === 1 ? { "grpc-encoding": "gzip" } : {};
    const upload = async (message: Uint8Array) => {
      const body = framed(flags === 1 ? gzipSync(message) : message, flags);
      return shown(await overHttp2(server.url, { path: `${service}/UploadTasks`, type, headers, body }));
    };
    expect(await upload(tasks)).toEqual(tooManyTasks);
    expect(await upload(rules)).toEqual(tooManyRules);
    expect(await upload(values)).toEqual(tooManyValues);
    const few = repeated(
      encodedField(4, Buffer.concat([encodedField(2, Buffer.from("n")), encodedField(3, Buffer.from("k"))])),
      60,
    );
    const target = Buffer.concat([
      encodedField(1, Buffer.from("r")),
      encodedField(2, encodedField(1, Buffer.from("b"))),
    ]);
    const parts = Buffer.concat([framed(Buffer.concat([target, few])), framed(few), framed(rules)]);
    const { fields } = shown(await overHttp2(server.url, { path: `${service}/UploadTasks`, type, body: parts }));
    expect(fields).toEqual(["tasks[120].rules"]);
  });
});

test("a small message in the URL that is large when it is decompressed is refused", async () => {
  const server = await startFakeServer(fakes, { maxMessageBytes });
  const { number } = ListTasksRequestSchema.field.kinds;
  const message = brotliCompressSync(repeated(encodedField(number, Buffer.alloc(0)), maxMessageBytes / 2));
  const query = `connect=v1&encoding=proto&base64=1&compression=br&message=${message.toString("base64url")}`;
  const answer = await fetch(`${server.url}${service}/ListTasks?${query}`);
  expect(answer.status).toBe(400);
  const error = errorFromJson((await answer.json()) as never, undefined, new ConnectError("no error"));
  expect(shown(error)).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_FIELD", fields: ["kinds"] });
});

test("unknown fields, which the decoder keeps, count as well", async () => {
  const server = await startFakeServer(fakes, { maxMessageBytes });
  const unknown = repeated([0xf8, 0x3f, 0], embeddedMessagesMax + 1);
  expect(fromBinary(CreateTasksRequestSchema, unknown.subarray(0, 3)).$unknown).toHaveLength(1);
  const error = await overHttp2(server.url, { path: createPath, type: "application/grpc", body: framed(unknown) });
  expect(shown(error)).toEqual(tooManyValues);
});

test("a small message of a stream is answered while a large one is still on its way", async () => {
  const server = await startFakeServer(fakes, { maxMessageBytes });
  const session = http2.connect(server.url);
  const stream = session.request({
    ":method": "POST",
    ":path": `${service}/StreamCounts`,
    "content-type": "application/grpc",
  });
  const answered = new Promise<Buffer>((resolve) => stream.once("data", resolve));
  stream.write(framed(small));
  stream.write(framed(tasks).subarray(0, 1_000_000));
  expect((await answered).length).toBeGreaterThan(0);
  stream.close();
  session.destroy();
});
