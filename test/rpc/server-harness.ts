import http2 from "node:http2";
import net from "node:net";
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import pino from "pino";
import { onTestFinished } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { wireError } from "../../src/rpc/wire-error.ts";
import { createMetricsRegistry } from "../../src/server/rpc-metrics.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../src/server/start-server.ts";

/** A line of the log, parsed. */
export type LogLine = Record<string, unknown> & { level: number; msg: string };

/** Fake services whose behaviour a test gives. */
export interface Fakes {
  readonly tasks?: Partial<ServiceImpl<typeof TaskService>>;
  readonly batches?: Partial<ServiceImpl<typeof BatchService>>;
  readonly events?: Partial<ServiceImpl<typeof EventService>>;
}

/** Starts a server with fake services on a port that the system chooses; it is stopped when the test has finished. */
export async function startFakeServer(
  fakes: Fakes = {},
  options: Partial<ServerOptions> = {},
): Promise<RunningServer & { log: LogLine[]; registry: ServerOptions["registry"] }> {
  const log: LogLine[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(JSON.parse(line)) });
  const registry = createMetricsRegistry();
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    maxMessageBytes: 256 * 1024,
    maxHeaderBytes: 16 * 1024,
    maxStreamsPerConnection: 100,
    requestTimeoutMs: 60_000,
    keepaliveIntervalMs: 15_000,
    shutdownGraceMs: 200,
    routes: (router) => {
      router.service(TaskService, fakes.tasks ?? {});
      router.service(BatchService, fakes.batches ?? {});
      router.service(EventService, fakes.events ?? {});
    },
    mapError: (error) =>
      error instanceof MillpondError
        ? wireError(error.reason === "TASK_NOT_FOUND" ? Code.NotFound : Code.InvalidArgument, error.message, error)
        : undefined,
    ready: async () => ({ ok: true, detail: "fine" }),
    logger,
    registry,
    ...options,
  });
  onTestFinished(() => server.stop());
  return { ...server, log, registry };
}

/** Waits until a condition holds; fails the test after five seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited five seconds for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The error with which a promise rejects. */
export async function errorOf(promise: Promise<unknown>): Promise<ConnectError> {
  try {
    await promise;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call succeeded");
}

/** Reason, metadata and violations that an error carries. */
export function detailsOf(error: ConnectError): {
  reason: string | undefined;
  metadata: Record<string, string>;
  fields: string[];
} {
  const info = error.findDetails(ErrorInfoSchema)[0];
  const violations = error.findDetails<DescMessage & typeof BadRequestSchema>(BadRequestSchema)[0]?.fieldViolations;
  return {
    reason: info?.reason,
    metadata: info?.metadata ?? {},
    fields: violations?.map(({ field }) => field) ?? [],
  };
}

/** The JSON of an error of the Connect protocol, with the details in their readable form. */
export interface ConnectErrorJson {
  code: string;
  message: string;
  details?: { type: string; debug?: Record<string, unknown> }[];
}

/** Posts a body as JSON over HTTP/1.1. */
export async function postJson(
  url: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; json: ConnectErrorJson & Record<string, unknown>; text: string }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: JSON.parse(text), text };
}

/** Sends bytes on a new connection, in the given pieces, and returns what came back until the server closed. */
export function sendRaw(port: number, pieces: readonly (string | Buffer)[], until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = net.connect(port, "127.0.0.1", async () => {
      for (const piece of pieces) {
        if (socket.writable) socket.write(piece);
        await new Promise((next) => setImmediate(next));
      }
    });
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (until?.test(received) === true) socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => resolve(received));
  });
}

/** One request over HTTP/2, whole. */
export async function http2Request(
  url: string,
  headers: http2.OutgoingHttpHeaders,
  body: string | Buffer = "",
): Promise<{ headers: http2.IncomingHttpHeaders; trailers: http2.IncomingHttpHeaders; body: Buffer }> {
  const session = http2.connect(url);
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({ ":method": "POST", ...headers }, { endStream: false });
      const chunks: Buffer[] = [];
      let answered: http2.IncomingHttpHeaders = {};
      let trailers: http2.IncomingHttpHeaders = {};
      stream.on("response", (given) => {
        answered = given;
      });
      stream.on("trailers", (given) => {
        trailers = given;
      });
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("close", () => resolve({ headers: answered, trailers, body: Buffer.concat(chunks) }));
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

/** A gRPC frame: not compressed, with a length that may be a lie. */
export function grpcFrame(message: Uint8Array, length = message.byteLength): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}
