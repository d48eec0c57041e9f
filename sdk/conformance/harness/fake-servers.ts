import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import {
  Client,
  credentials,
  Server as GrpcServer,
  Metadata,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { addFlakyMethods } from "./flaky-server.ts";

/** FakeServer is something that is no server of this version. */
export interface FakeServer {
  readonly address: string;
  /** How many milliseconds have passed between one stream, or call, and the next, in order; of `flaky`. */
  readonly pausesMs?: readonly number[];
  readonly stop: () => Promise<unknown>;
}

type Handler = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;

/**
 * startFakeServer starts what an SDK may be pointed at by mistake, or meet in an upgrade:
 *
 * - `nothing`: a port where nobody listens
 * - `html`: an HTTP server that answers every request with a page
 * - `silent`: takes connections and says nothing
 * - `newer`: answers GetTask of the server at `target` with a field and a status more, and ListTasks by a reason that nobody knows
 * - `older`: knows no Work, and hands other calls to the server at `target`
 * - `mute`: knows no Work; says nothing to the first WatchEvents, ReportTasks and AppendLogs, and hands all other calls to the server at `target`
 * - `flaky`: welcomes every WatchEvents and Work, and breaks it at once; answers ListLogs without waiting
 */
export async function startFakeServer(kind: string, target: string): Promise<FakeServer> {
  switch (kind) {
    case "nothing":
      return startNothing();
    case "html":
      return startHtml();
    case "silent":
      return listen(createServer());
    case "newer":
      return startGrpc({ GetTask: forward(target, grownTask), ListTasks: unknownReason });
    case "older":
      return startGrpc(olderMethods(target));
    case "mute":
      return startMute(target);
    case "flaky":
      return startFlaky();
    default:
      throw new Error(`fake: "${kind}" is none of nothing, html, silent, newer, older, mute, flaky`);
  }
}

/** Port 4 is nobody's, and no system gives it out; one that was free a moment ago may be the next server's. */
async function startNothing(): Promise<FakeServer> {
  return { address: "http://127.0.0.1:4", stop: async () => undefined };
}

async function startHtml(): Promise<FakeServer> {
  return listen(
    createHttpServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<html><title>Welcome</title></html>");
    }),
  );
}

async function listen(server: Server): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

const raw = (bytes: Buffer): Buffer => bytes;
const unary = {
  ...{ requestStream: false, responseStream: false },
  ...{ requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
};

const services: Readonly<Record<string, readonly string[]>> = {
  TaskService: ["CreateTasks", "GetTask", "ListTasks", "ReportTasks", "AddCounts"],
  WorkerService: ["ClaimTasks", "ExtendLeases", "AppendLogs"],
};

/** Serves some methods; every other one is unknown to it. */
async function startGrpc(handlers: Readonly<Record<string, Handler>>): Promise<FakeServer> {
  const server = new GrpcServer();
  addServices(server, handlers);
  return bind(server);
}

function addServices(server: GrpcServer, handlers: Readonly<Record<string, Handler>>): void {
  for (const [service, methods] of Object.entries(services)) {
    const known = methods.filter((method) => method in handlers);
    if (known.length === 0) continue;
    const definition: ServiceDefinition = Object.fromEntries(
      known.map((method) => [method, { path: `/millpond.v1.${service}/${method}`, ...unary }]),
    );
    server.addService(definition, Object.fromEntries(known.map((method) => [method, handlers[method]!])));
  }
}

async function bind(server: GrpcServer): Promise<FakeServer> {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `http://127.0.0.1:${port}`, stop: async () => server.forceShutdown() };
}

async function startMute(target: string): Promise<FakeServer> {
  const server = new GrpcServer();
  const handlers = olderMethods(target);
  for (const name of ["ReportTasks", "AppendLogs"]) handlers[name] = sinceSecondCall(handlers[name]!);
  addServices(server, handlers);
  const client = clientOf(target);
  const watch = sinceSecondCall((call: ServerWritableStream<Buffer, Buffer>) => {
    const answers = client.makeServerStreamRequest(call.getPath(), raw, raw, call.request);
    call.on("cancelled", () => answers.cancel());
    answers.on("data", (message: Buffer) => call.write(message));
    answers.on("error", (error) => call.destroy(error));
    answers.on("end", () => call.end());
  });
  const path = "/millpond.v1.EventService/WatchEvents";
  server.addService({ WatchEvents: { path, ...unary, responseStream: true } }, { WatchEvents: watch });
  const bound = await bind(server);
  return { ...bound, stop: async () => [client.close(), await bound.stop()] };
}

async function startFlaky(): Promise<FakeServer> {
  const server = new GrpcServer();
  const { pausesMs } = addFlakyMethods(server);
  return { ...(await bind(server)), pausesMs };
}

/** Takes the first call and never answers it. */
function sinceSecondCall<Args extends unknown[]>(handler: (...args: Args) => void): (...args: Args) => void {
  let calls = 0;
  return (...args) => {
    calls += 1;
    if (calls > 1) handler(...args);
  };
}

function clientOf(target: string): Client {
  return new Client(target.replace(/^http:\/\//, ""), credentials.createInsecure());
}

function olderMethods(target: string): Record<string, Handler> {
  const methods = Object.values(services).flat();
  return Object.fromEntries(methods.map((method) => [method, forward(target, raw)]));
}

/** Hands a call on, as bytes, and changes the answer. */
function forward(target: string, change: (answer: Buffer) => Buffer): Handler {
  const client = clientOf(target);
  return (call, answer) => {
    client.makeUnaryRequest(call.getPath(), raw, raw, call.request, (error: ServiceError | null, value?: Buffer) =>
      error
        ? answer({ code: error.code, details: error.details, metadata: error.metadata })
        : answer(null, change(value!)),
    );
  };
}

/** A GetTaskResponse with text in field 1000; its task (field 1) gets the status 99 (field 30, of which the last one counts), and text in field 1000. */
function grownTask(response: Buffer): Buffer {
  const more = Buffer.from([0xc2, 0x3e, 3, ...Buffer.from("new")]);
  const grown = Buffer.concat([Buffer.from([0xf0, 1, 99]), more]);
  // Repeated on the wire, a message that occurs once is merged.
  return Buffer.concat([response, Buffer.from([0x0a, grown.length]), grown, more]);
}

/** FAILED_PRECONDITION with an ErrorInfo of Millpond's whose reason no SDK knows, and a metadatum. */
const unknownReason: Handler = (_, answer) => {
  const text = (field: number, value: string) => Buffer.from([field * 8 + 2, value.length, ...Buffer.from(value)]);
  const message = (field: number, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.from([field * 8 + 2]), varint(body.length), body]);
  };
  const entry = message(3, text(1, "tank"), text(2, "empty"));
  const info = Buffer.concat([text(1, "FUTURE_REASON"), text(2, "millpond"), entry]);
  const detail = message(3, text(1, "type.googleapis.com/google.rpc.ErrorInfo"), message(2, info));
  const details = "it cannot be done, for a reason of the future";
  const statusBytes = Buffer.concat([Buffer.from([8, status.FAILED_PRECONDITION]), text(2, details), detail]);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", statusBytes);
  answer({ code: status.FAILED_PRECONDITION, details, metadata });
};

function varint(value: number): Buffer {
  return value < 128 ? Buffer.from([value]) : Buffer.from([(value & 127) | 128, value >> 7]);
}
