import { constants, type ServerHttp2Stream } from "node:http2";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { Compression, UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { UploadTasksRequestSchema } from "../gen/millpond/v1/task_service_pb.ts";
import { cutPartsKey } from "../rpc/cut-parts.ts";
import { wireError } from "../rpc/wire-error.ts";
import { type Call, callKey, openCall } from "./call.ts";
import { allowedMethods, readConnectGet } from "./connect-get.ts";
import { isConnectionLoss } from "./connection-loss.ts";
import { diagnosableBodyBytesMax } from "./describe-decoding-error.ts";
import { plainMessage } from "./grpc-message.ts";
import { decompressed, guardBody } from "./guard-body.ts";
import { HeldItems, heldItemsKey } from "./held-items.ts";
import { errorResponse, type HttpRouteResponse, send } from "./http-routes.ts";
import { abortCause } from "./interceptors/abort-cause.ts";
import type { MessageGuard } from "./message-guard.ts";
import { type NodeHandler, type NodeRequest, type NodeResponse, pathOf, peerOf, queryOf } from "./node-http.ts";
import { sliceParts } from "./slice-parts.ts";

/** What {@link createRpcAdapter} works with. */
export interface RpcAdapterOptions {
  readonly handlers: readonly UniversalHandler[];
  /** Answers what is not the path of an RPC. */
  readonly fallback: NodeHandler;
  readonly logger: Logger;
  readonly newRequestId: () => string;
  /** How long a caller may take to send a request that is not a stream. */
  readonly requestTimeoutMs: number;
  /** The largest request message, after decompression. */
  readonly maxMessageBytes: number;
  /** Sees messages before they are decoded. */
  readonly guard: MessageGuard;
  /** How messages may be compressed. */
  readonly compressions: readonly Compression[];
}

/**
 * Creates the handler that passes requests to the RPC library's handlers by path. It answers what the library answers
 * with a bare HTTP status (wrong method, wrong content type) with JSON that says what to do, and nothing that a caller
 * sends can make it throw.
 */
export function createRpcAdapter(options: RpcAdapterOptions): NodeHandler {
  const byPath = new Map(options.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = byPath.get(pathOf(request));
    if (handler === undefined) {
      options.fallback(request, response);
      return;
    }
    const call = openCall({ headers: request.headers, peer: peerOf(request) }, options.newRequestId);
    serve(handler, { call, request, response, options }).catch((error: unknown) =>
      abandon(error, { call, request, response, options }),
    );
  };
}

interface Exchange {
  readonly call: Call;
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly options: RpcAdapterOptions;
}

async function serve(handler: UniversalHandler, exchange: Exchange): Promise<void> {
  const { call, request, response, options } = exchange;
  if (!isAddressed(request)) {
    send(request, response, { call, answer: badAuthority() });
    return;
  }
  limitUpload(handler, exchange);
  if (request.method === "GET") {
    // What is read changes at any moment, and some errors would be kept by caches, too.
    response.setHeader("cache-control", "no-store");
    const refusal = await refuseGet(handler, exchange);
    if (refusal !== undefined) {
      refuse(exchange, refusal);
      return;
    }
  }
  const values = createContextValues().set(callKey, call);
  const universal = universalRequestFromNodeRequest(request, response, undefined, values);
  const { input } = handler.method;
  let body = guardBody(bodyOf(handler, exchange), { input, header: universal.header }, options);
  if (isBinaryUpload(handler, request)) {
    const held = new HeldItems();
    values.set(heldItemsKey, held).set(cutPartsKey, held.counts);
    body = sliceParts(body, { ...options, field: tasksField, hold: (message, items) => held.hold(message, items) });
  }
  const answer = await handler({ ...universal, body });
  const explained = explainRefusal(handler, request, answer);
  if (explained !== undefined) {
    refuse(exchange, explained);
    return;
  }
  if (answer.trailer !== undefined) writePlainMessages(answer.trailer);
  if (handler.method.methodKind === "bidi_streaming" && "stream" in request) endWithAnswer(request.stream);
  await universalResponseToNodeResponse(answer, response);
}

/** Answers with what the server, rather than a service, has to say. */
function refuse({ call, request, response, options }: Exchange, answer: HttpRouteResponse): void {
  send(request, response, { call, answer });
  options.logger.info({ requestId: call.requestId, path: pathOf(request), status: answer.status }, "request");
}

/** What is wrong with a GET, if it is something that the RPC library does not say. What it has of JSON is kept aside, as bodies are. */
async function refuseGet(
  handler: UniversalHandler,
  { call, request, options }: Exchange,
): Promise<HttpRouteResponse | undefined> {
  if (!allowedMethods(handler).includes("GET")) return methodNotAllowed(handler, request);
  const get = readConnectGet(handler, queryOf(request));
  if ("refusal" in get) return get.refusal;
  const { message, isBinary } = get;
  const compression = options.compressions.find(({ name }) => name === get.compression);
  const plain = compression === undefined ? message : await decompressed(message, compression, options.maxMessageBytes);
  if (!isBinary && get.compression === "identity") call.jsonBody = [message];
  try {
    if (plain !== undefined) options.guard(handler.method.input, plain, isBinary);
  } catch (error) {
    return errorResponse(ConnectError.from(error));
  }
  return undefined;
}

/**
 * Asks a caller that goes on sending when it has been answered to stop, without an error (RFC 9113, 8.1): the stream would stay open for as long as it likes, and
 * with it the connection of a server that stops.
 */
function endWithAnswer(stream: ServerHttp2Stream): void {
  stream.once("wantTrailers", () => {
    // node:http2 has sent them by then; before, the reset would overtake them.
    setImmediate(() => {
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  });
}

const { number: tasksField } = UploadTasksRequestSchema.field.tasks;

/** Whether the messages of a request are those of an upload, in Protobuf. */
function isBinaryUpload({ method }: UniversalHandler, request: NodeRequest): boolean {
  return (
    method.input.typeName === UploadTasksRequestSchema.typeName &&
    /^application\/(grpc|grpc\+proto|connect\+proto)$/.test(request.headers["content-type"] ?? "")
  );
}

/** Lets the message of an error be encoded as {@link plainMessage} says, whenever the library sets it. */
function writePlainMessages(trailer: Headers): void {
  const set = trailer.set.bind(trailer);
  const write = (name: string, value: string): void =>
    set(name, name.toLowerCase() === "grpc-message" ? plainMessage(value) : value);
  const written = trailer.get("grpc-message");
  if (written !== null) write("grpc-message", written);
  Object.defineProperty(trailer, "set", { value: write });
}

/** Whether the request says whom it is for, in a form that a URL can hold: the library throws otherwise. */
function isAddressed(request: NodeRequest): boolean {
  const authority = "authority" in request ? request.authority : request.headers.host;
  return authority !== undefined && URL.canParse(request.url ?? "", `http://${authority}`);
}

function badAuthority(): HttpRouteResponse {
  return errorResponse(
    wireError(Code.InvalidArgument, "the Host header (:authority in HTTP/2) is missing or is not a host", {
      reason: "INVALID_FIELD",
      violations: [{ field: "Host", description: "is missing or is not a host" }],
    }),
  );
}

/** The bytes of the request, kept aside in the call while they may be needed to explain why they do not decode. */
function bodyOf(handler: UniversalHandler, { call, request, response }: Exchange): AsyncIterable<Uint8Array> {
  let body: AsyncIterable<Uint8Array> = request;
  if ("stream" in request) {
    body = whileThere(request);
    if (handler.method.methodKind === "client_streaming") return untilEnd(body, request.stream);
  } else {
    // Destroying a half-read HTTP/1.1 request would cut the connection before the answer: read the rest and drop it.
    body = request.iterator({ destroyOnReturn: false });
    response.once("finish", () => request.resume());
  }
  const isJson = request.headers["content-type"]?.startsWith("application/json") === true;
  const isPlain = request.headers["content-encoding"] === undefined;
  return isJson && isPlain && handler.method.methodKind === "unary" ? keepAside(body, call) : body;
}

/** The body of a request, which ends with CANCELED where its caller goes away before its end. */
async function* whileThere(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw isConnectionLoss(error) ? abortCause(error) : error;
  }
}

/**
 * The body of a call that acts once its caller has sent everything. node:http2 shows a stream that its peer resets as one that has ended, and
 * as a client ends each stream before it resets it: only what follows tells the two apart. A ping goes and comes behind the reset.
 */
async function* untilEnd(body: AsyncIterable<Uint8Array>, stream: ServerHttp2Stream): AsyncGenerator<Uint8Array> {
  yield* body;
  const { session } = stream;
  if (session !== undefined && !session.destroyed) {
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    session.ping(() => resolve());
    await answered;
  }
  if (stream.closed || stream.destroyed) throw new ConnectError("the caller turned away", Code.Canceled);
}

async function* keepAside(body: AsyncIterable<Uint8Array>, call: Call): AsyncGenerator<Uint8Array> {
  call.jsonBody = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > diagnosableBodyBytesMax) call.jsonBody = undefined;
    call.jsonBody?.push(chunk);
    yield chunk;
  }
}

/** Ends an HTTP/2 stream whose caller does not finish its one request message; node:http does so for HTTP/1.1. */
function limitUpload(handler: UniversalHandler, { request, options }: Exchange): void {
  const { methodKind } = handler.method;
  if (!("stream" in request) || methodKind === "client_streaming" || methodKind === "bidi_streaming") return;
  const { stream } = request;
  if (stream.endAfterHeaders) return;
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), options.requestTimeoutMs);
  const received = () => clearTimeout(timer);
  stream.once("end", received);
  stream.once("close", received);
}

/** What to say for a bare HTTP status of the library; undefined for answers that have a body. */
function explainRefusal(
  handler: UniversalHandler,
  request: NodeRequest,
  answer: UniversalServerResponse,
): HttpRouteResponse | undefined {
  if (answer.body !== undefined) return undefined;
  const rpc = `${handler.service.typeName}/${handler.method.name}`;
  const headers = Object.fromEntries(answer.header ?? []);
  switch (answer.status) {
    case 405:
      return methodNotAllowed(handler, request);
    case 415: {
      const given = JSON.stringify(request.headers["content-type"] ?? "");
      const accepted = handler.method.methodKind === "unary" ? "application/json" : "application/connect+json";
      const description = `${given} is not accepted: send "${accepted}", or application/grpc from a gRPC client`;
      const violations = [{ field: "Content-Type", description }];
      const error = wireError(Code.InvalidArgument, `${rpc}: Content-Type ${description}`, {
        reason: "INVALID_FIELD",
        violations,
      });
      return errorResponse(error, 415);
    }
    case 505: {
      const message = `${rpc} streams both ways, which needs HTTP/2`;
      return { ...errorResponse(wireError(Code.Unimplemented, message, { reason: "UNIMPLEMENTED" }), 505), headers };
    }
    default:
      return undefined;
  }
}

function methodNotAllowed(handler: UniversalHandler, request: NodeRequest): HttpRouteResponse {
  const allow = allowedMethods(handler).join(", ");
  const message = `${handler.service.typeName}/${handler.method.name} takes ${allow}, not ${request.method}`;
  return {
    ...errorResponse(wireError(Code.Unimplemented, message, { reason: "UNIMPLEMENTED" }), 405),
    headers: { allow },
  };
}

/** Ends an exchange that could not be answered: its caller is gone, or the server has a defect. */
function abandon(error: unknown, { call, request, response, options }: Exchange): void {
  const { code } = ConnectError.from(error, Code.Internal);
  const isCallerGone = code === Code.Aborted || code === Code.Canceled || isConnectionLoss(error);
  if (!isCallerGone && !response.destroyed) {
    options.logger.error(
      { err: error, requestId: call.requestId, path: pathOf(request) },
      "a request could not be answered",
    );
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const answer = errorResponse(new ConnectError(`internal error (request id ${call.requestId})`, Code.Internal));
  try {
    send(request, response, { call, answer });
  } catch {
    // What could not be sent may be a header of the service, which is still among those of the response.
    response.destroy();
  }
}
