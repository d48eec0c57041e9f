import type { IncomingHttpHeaders } from "node:http";
import { constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import type { Logger } from "pino";
import { wireError } from "../rpc/wire-error.ts";
import { type Call, openCall, requestIdHeader } from "./call.ts";
import type { ErrorMapper } from "./interceptors/errors.ts";
import { type NodeHandler, type NodeRequest, type NodeResponse, pathOf, peerOf, queryOf } from "./node-http.ts";

/** A plain HTTP request, to a route. */
export interface HttpRouteRequest {
  readonly method: string;
  /** The values of the pattern's `:names`, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
  /** The body as it arrives, without any bound. An answer does not wait for what has not been read of it. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads the body; rejects with RESOURCE_EXHAUSTED when it is larger than the server accepts. */
  readBody(): Promise<Buffer>;
}

/** The answer of a route: an object is sent as JSON, text and bytes as they are. */
export interface HttpRouteResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | string | Uint8Array;
}

/** A plain HTTP route. What its handler throws is mapped and answered like the error of an RPC, as JSON. */
export interface HttpRoute {
  readonly methods: readonly string[];
  /** A path whose segments may be names: `/task/:taskId`. */
  readonly path: string;
  /** Whether its requests are logged at debug, as those of probes are. */
  readonly quiet?: boolean;
  /** Whether pages of other origins may never call it, whatever they may else. */
  readonly closedToPages?: boolean;
  readonly handle: (request: HttpRouteRequest) => Promise<HttpRouteResponse>;
}

/** What {@link createHttpRoutes} works with. */
export interface HttpRoutesOptions {
  readonly routes: readonly HttpRoute[];
  readonly mapError: ErrorMapper;
  readonly logger: Logger;
  readonly maxBodyBytes: number;
  readonly newRequestId: () => string;
  readonly now: () => number;
}

/**
 * Creates the handler of everything that is no RPC of this server. HEAD is answered where GET is; an unknown path is 404
 * and a known one with another method 405, both as JSON that says what to do.
 */
export function createHttpRoutes(options: HttpRoutesOptions): NodeHandler {
  const routes = options.routes.map((route) => ({ route, segments: route.path.split("/") }));
  return (request, response) => {
    const call = openCall({ headers: request.headers, peer: peerOf(request) }, options.newRequestId);
    const startedAt = options.now();
    const matches = routes.flatMap(({ route, segments }) => {
      const params = matchPath(segments, pathOf(request).split("/"));
      return params === undefined ? [] : [{ route, params }];
    });
    const match = matches.find(({ route }) => allows(route, request.method ?? ""));
    const answering =
      match === undefined
        ? refuse(
            request,
            matches.flatMap(({ route }) => route.methods),
          )
        : run(match);
    answering.then(finish).catch((error: unknown) => {
      options.logger.error({ err: error, requestId: call.requestId }, "a request could not be answered");
      response.destroy();
    });

    function finish(answer: HttpRouteResponse): void {
      if (match !== undefined) dropUnread(request, response);
      send(request, response, { call, answer });
      const line = { requestId: call.requestId, method: request.method, path: pathOf(request), status: answer.status };
      const durationMs = Math.round((options.now() - startedAt) * 1000) / 1000;
      options.logger[match?.route.quiet === true ? "debug" : "info"](
        { ...line, durationMs, peer: call.peer },
        "request",
      );
    }

    async function run({
      route,
      params,
    }: {
      route: HttpRoute;
      params: Record<string, string>;
    }): Promise<HttpRouteResponse> {
      try {
        return await route.handle(
          routeRequest(request, response, { call, params, maxBodyBytes: options.maxBodyBytes }),
        );
      } catch (error) {
        return describeError(error, call, options);
      }
    }
  };
}

function allows(route: HttpRoute, method: string): boolean {
  return route.methods.includes(method) || (method === "HEAD" && route.methods.includes("GET"));
}

/** The values of the pattern's names, or undefined when the path does not match it. */
export function matchPath(pattern: readonly string[], path: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== path.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of pattern.entries()) {
    const given = path[index] ?? "";
    if (!segment.startsWith(":")) {
      if (segment !== given) return undefined;
      continue;
    }
    const decoded = percentDecode(given);
    if (decoded === undefined || decoded === "") return undefined;
    params[segment.slice(1)] = decoded;
  }
  return params;
}

function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // A malformed escape matches nothing.
    return undefined;
  }
}

function routeRequest(
  request: NodeRequest,
  response: NodeResponse,
  { call, params, maxBodyBytes }: { call: Call; params: Record<string, string>; maxBodyBytes: number },
): HttpRouteRequest {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) controller.abort(new ConnectError("the caller is gone", Code.Canceled));
  });
  return {
    method: request.method ?? "",
    params,
    query: queryOf(request),
    headers: request.headers,
    requestId: call.requestId,
    signal: controller.signal,
    body: { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) },
    readBody: () => readBody(request, maxBodyBytes),
  };
}

/** Reads a body within a bound; what lies beyond it is read and dropped, so that the caller gets to see the answer. */
async function readBody(request: NodeRequest, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) {
      request.resume();
      throw wireError(
        Code.ResourceExhausted,
        `the body is larger than the ${maxBytes} bytes that this server accepts`,
        {
          reason: "LIMIT_EXCEEDED",
          metadata: { limit: String(maxBytes) },
        },
      );
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function describeError(error: unknown, call: Call, { mapError, logger }: HttpRoutesOptions): HttpRouteResponse {
  const known = error instanceof ConnectError ? error : mapError(error);
  if (known !== undefined) return errorResponse(known);
  logger.error({ err: error, requestId: call.requestId }, "a request failed with an unexpected error");
  return errorResponse(new ConnectError(`internal error (request id ${call.requestId})`, Code.Internal));
}

/** The answer that an error has in plain HTTP: the JSON and the status of the Connect protocol. */
export function errorResponse(error: ConnectError, status = codeToHttpStatus(error.code)): HttpRouteResponse {
  return { status, body: errorToJson(error, undefined) as object };
}

/** Answers what no route takes. gRPC callers, whose RPC this server does not have, are told so in their own protocol. */
async function refuse(request: NodeRequest, allowed: readonly string[]): Promise<HttpRouteResponse> {
  const what = `${request.method} ${pathOf(request)}`;
  if (request.headers["content-type"]?.startsWith("application/grpc") === true) {
    const message = encodeURIComponent(`this server has no RPC ${pathOf(request)}`);
    const headers = { "content-type": request.headers["content-type"], "grpc-status": String(Code.Unimplemented) };
    return { status: 200, headers: { ...headers, "grpc-message": message } };
  }
  if (allowed.length > 0) {
    const message = `${what}: this path takes ${allowed.join(", ")} only`;
    const error = wireError(Code.Unimplemented, message, { reason: "UNIMPLEMENTED" });
    return { ...errorResponse(error, 405), headers: { allow: allowed.join(", ") } };
  }
  const hint =
    "RPCs are at POST /<package>.<Service>/<Method>, as in /millpond.v1.TaskService/ListTasks; " +
    "probes at /healthz, /readyz and /metrics";
  return errorResponse(
    wireError(Code.Unimplemented, `${what}: there is nothing here. ${hint}`, { reason: "UNIMPLEMENTED" }),
    404,
  );
}

/**
 * Ends an HTTP/2 stream once it is answered, also when its body has not ended: nothing else would bound how long it stays open. Of HTTP/1.1,
 * node:http drops the rest of the body, within the time that a request has, or closes the connection.
 */
function dropUnread(request: NodeRequest, response: NodeResponse): void {
  if (!("stream" in response)) return;
  response.once("finish", () => {
    if (!request.readableEnded) response.stream.close(constants.NGHTTP2_NO_ERROR);
  });
}

/** Writes an answer; one whose caller is gone is dropped. */
export function send(
  request: NodeRequest,
  response: NodeResponse,
  { call, answer }: { call: Call; answer: HttpRouteResponse },
): void {
  if (response.headersSent || response.destroyed) return;
  const { bytes, type } = encodeBody(answer.body ?? "");
  const { connection, ...others } = answer.headers ?? {};
  const headers = {
    ...(type !== undefined && { "content-type": type }),
    ...(answer.status !== 204 && { "content-length": String(bytes.length) }),
    [requestIdHeader]: call.requestId,
    ...others,
    // HTTP/2 has no such header.
    ...(connection !== undefined && request.httpVersionMajor < 2 && { connection }),
  };
  if (bytes.length === 0 && "stream" in response && "respond" in response.stream) {
    // One frame that ends the stream: what gRPC clients know as an answer of trailers only.
    response.stream.respond({ ":status": answer.status, ...response.getHeaders(), ...headers }, { endStream: true });
    return;
  }
  // Both kinds of response take these arguments; their types have no common signature.
  (response as { writeHead(status: number, headers: Record<string, string>): unknown }).writeHead(
    answer.status,
    headers,
  );
  response.end(request.method === "HEAD" ? "" : bytes);
}

function encodeBody(body: object | string | Uint8Array): { bytes: Uint8Array; type?: string } {
  if (typeof body === "string") return { bytes: Buffer.from(body) };
  if (body instanceof Uint8Array) return { bytes: body };
  return { bytes: Buffer.from(`${JSON.stringify(body)}\n`), type: "application/json" };
}
