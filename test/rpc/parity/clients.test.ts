import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { EventService } from "../../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../../src/gen/millpond/v1/task_service_pb.ts";
import { until } from "../server-harness.ts";
import { behaveHeader, expectSame, type ParityPair, type ParityServer, startPair, taskId } from "./parity-servers.ts";

const gzip = { sendCompression: compressionGzip, compressMinBytes: 1 };
const transports: [string, (baseUrl: string) => Transport][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC with gzip", (baseUrl) => createGrpcTransport({ baseUrl, ...gzip })],
  ["gRPC with answers that are not compressed", (baseUrl) => createGrpcTransport({ baseUrl, acceptCompression: [] })],
  ["gRPC with JSON", (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false })],
  ["gRPC-Web on HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web on HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect on HTTP/2 with JSON", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
  [
    "Connect on HTTP/2 with protobuf",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  ],
  ["Connect on HTTP/1.1 with JSON", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  [
    "Connect on HTTP/1.1 with protobuf",
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  ],
  ["Connect on HTTP/1.1 with gzip", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", ...gzip })],
];

describe.each(transports)("over %s, with the fast path and without", (_name, transportOf) => {
  const unary = (server: ParityServer, how: string, options: CallOptions = {}) => {
    const client = createClient(TaskService, transportOf(server.url));
    return observed((hooks) => client.getTask({ taskId }, { headers: headersOf(how, options), ...hooks, ...options }));
  };
  const watch = (server: ParityServer, how: string, options: CallOptions = {}) => {
    const client = createClient(EventService, transportOf(server.url));
    return observed(async (hooks) => {
      const headers = headersOf(how, options);
      const cursors: string[] = [];
      try {
        for await (const { cursor } of client.watchEvents({}, { headers, ...hooks, ...options })) cursors.push(cursor);
      } catch (error) {
        Object.assign(ConnectError.from(error), { cursors });
        throw error;
      }
      return cursors;
    });
  };

  const unaryCalls = async (pair: ParityPair) => {
    for (const how of ["ok", "headers", "context", "big", "huge", "detail", "domain", "plain"]) {
      const same = await expectSame(pair, (server) => unary(server, how));
      expect(same).toMatchObject({ called: [{ requestId: "r1" }] });
    }
    for (const { seen } of [pair.fast, pair.library]) {
      await until(() => seen.signals.every(({ aborted }) => aborted), "the signals of calls that have ended");
    }
  };

  const requests = async (pair: ParityPair) => {
    const clientOf = (server: ParityServer) => createClient(TaskService, transportOf(server.url));
    const tasks = Array.from({ length: 300 }, () => ({ name: "n".repeat(255), kind: "k", key: "k".repeat(255) }));
    await expectSame(pair, (server) => observed((hooks) => clientOf(server).createTasks({ tasks }, hooks)));
    const taskIds = Array.from(
      { length: 20_000 },
      (_, index) => `0190a0b0-0000-7000-8000-${String(index).padStart(12, "0")}`,
    );
    const tooLarge = await expectSame(pair, (server) =>
      observed((hooks) => clientOf(server).cancelTasks({ taskIds }, hooks)),
    );
    expect(tooLarge).toMatchObject({ called: [{ code: "RESOURCE_EXHAUSTED" }] });
    const invalid = await expectSame(pair, (server) =>
      observed((hooks) => clientOf(server).cancelTasks({ taskIds: ["x", taskId, "y"] }, hooks)),
    );
    expect(invalid).toMatchObject({ called: [{ code: "INVALID_ARGUMENT" }] });
  };

  const abandonedCalls = async (pair: ParityPair) => {
    for (const how of ["wait", "never"]) {
      await expectSame(pair, async (server) => {
        const { error } = await unary(server, how, { serverTimeoutMs: 50 });
        await until(() => server.seen.signals.every(({ aborted }) => aborted), "the signal");
        return { error };
      });
      await expectSame(pair, async (server) => {
        const controller = new AbortController();
        const before = server.seen.signals.length;
        const calling = unary(server, how, { signal: controller.signal });
        await until(() => server.seen.signals.length > before, "the call");
        controller.abort();
        const { error } = await calling;
        await until(() => server.seen.signals.every(({ aborted }) => aborted), "the signal");
        return { code: error?.code };
      });
    }
  };

  const streams = async (pair: ParityPair) => {
    for (const how of ["three", "empty", "fail first", "fail midway", "throw plain"]) {
      await expectSame(pair, (server) => watch(server, how));
    }
    for (const { seen } of [pair.fast, pair.library]) {
      await until(() => seen.signals.every(({ aborted }) => aborted), "the signals of calls that have ended");
    }
  };

  const abandonedStreams = async (pair: ParityPair) => {
    await expectSame(pair, async (server) => {
      const controller = new AbortController();
      const before = server.seen.yielded;
      const watching = watch(server, "wait", { signal: controller.signal });
      await until(() => server.seen.yielded > before, "the first message");
      controller.abort();
      const { error } = await watching;
      await until(() => server.seen.signals.every(({ aborted }) => aborted), "the signal");
      return { code: error?.code };
    });
    await expectSame(pair, (server) => watch(server, "wait", { serverTimeoutMs: 100 }));
  };

  test("unary calls are the same: results, errors, headers, trailers, context, sizes, deadlines, cancellations", async () => {
    const pair = await startPair();
    await unaryCalls(pair);
    await requests(pair);
    await abandonedCalls(pair);
  });

  test("streams are the same: messages, headers, trailers, errors, deadlines, cancellations", async () => {
    const pair = await startPair();
    await streams(pair);
    await abandonedStreams(pair);
  });
});

/** What a test asks of a call; a deadline that the server alone keeps, so that the client's own does not come first. */
interface CallOptions {
  serverTimeoutMs?: number;
  signal?: AbortSignal;
}

function headersOf(how: string, { serverTimeoutMs }: CallOptions): Record<string, string> {
  const deadline = serverTimeoutMs !== undefined && {
    "grpc-timeout": `${serverTimeoutMs}m`,
    "connect-timeout-ms": String(serverTimeoutMs),
  };
  return { [behaveHeader]: how, "x-request-id": "r1", ...deadline };
}

/** What a client sees of a call: its result or error, its headers and trailers. */
async function observed<T>(
  call: (hooks: { onHeader: (headers: Headers) => void; onTrailer: (trailers: Headers) => void }) => Promise<T>,
): Promise<{ result?: T; error?: ReturnType<typeof described>; headers?: object; trailers?: object }> {
  const seen: { headers?: object; trailers?: object } = {};
  const hooks = {
    onHeader: (headers: Headers) => {
      seen.headers = entries(headers);
    },
    onTrailer: (trailers: Headers) => {
      seen.trailers = entries(trailers);
    },
  };
  try {
    return { result: await call(hooks), ...seen };
  } catch (error) {
    return { error: described(ConnectError.from(error)), ...seen };
  }
}

function described(error: ConnectError) {
  return {
    code: Code[error.code],
    message: error.rawMessage,
    info: error.findDetails(ErrorInfoSchema),
    violations: error.findDetails(BadRequestSchema),
    metadata: entries(error.metadata),
    cursors: (error as { cursors?: string[] }).cursors,
  };
}

/** Headers but for those of the connection. Compressed bodies differ by their time. */
function entries(headers: Headers): object {
  const { date: _date, connection: _connection, "keep-alive": _keepAlive, ...others } = Object.fromEntries(headers);
  return others;
}
