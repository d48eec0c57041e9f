import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { contentTypeUnaryJson, contentTypeUnaryProto } from "@connectrpc/connect/protocol-connect";
import type { Logger } from "pino";
import { createRequestReaders } from "../../wire/request-readers.ts";
import { openCall } from "../call.ts";
import type { StreamHandler } from "../http2-front.ts";
import type { MessageGuard } from "../message-guard.ts";
import { type NodeRequest, type NodeResponse, peerOfSocket } from "../node-http.ts";
import type { EndUndecoded } from "../request-gate.ts";
import { Cancellation, Shutdown } from "./cancellation.ts";
import { Compressions } from "./compressions.ts";
import { readConnectRequest } from "./connect-request.ts";
import { serveConnectUnary } from "./connect-unary.ts";
import { Exchange } from "./exchange.ts";
import { type FastMethod, type RpcOptions, recordMethods } from "./fast-methods.ts";
import type { FastPathParts } from "./fast-path-parts.ts";
import { openGrpcExchange, readGrpcRequest } from "./grpc-request.ts";
import { serveGrpcServerStream } from "./grpc-server-stream.ts";
import { serveGrpcUnary } from "./grpc-unary.ts";
import { Origins } from "./origins.ts";
import { SharedFrames } from "./shared-frames.ts";

/** What the fast path is made from: the options that the RPC library has, and what the adapter has. */
export interface FastPathOptions {
  readonly rpc: RpcOptions & {
    readonly readMaxBytes: number;
    readonly maxTimeoutMs: number;
    readonly acceptCompression: Compression[];
    readonly compressMinBytes: number;
    readonly shutdownSignal: AbortSignal;
  };
  readonly guard: MessageGuard;
  readonly endUndecoded: EndUndecoded;
  readonly requestTimeoutMs: number;
  readonly newRequestId: () => string;
  readonly logger: Logger;
}

/**
 * FastPath serves the calls that nearly all callers make (unary gRPC, gRPC answered with a stream, unary Connect over
 * HTTP/1.1) without the RPC library's chain of async iterables, through the same interceptors and with the same
 * semantics. Whatever is unusual or wrong in a request's headers it leaves to the library.
 */
export interface FastPath {
  /** Wraps a router: the services that are registered with it are served here too. */
  readonly record: (router: ConnectRouter) => ConnectRouter;
  /** Takes the HTTP/2 streams that it serves. */
  readonly onStream: StreamHandler;
  /** Takes the HTTP/1.1 requests that it serves: returns true when it has. */
  readonly onRequest: (request: NodeRequest, response: NodeResponse) => boolean;
}

/** Creates a {@link FastPath} without methods. */
export function createFastPath(options: FastPathOptions): FastPath {
  const { rpc } = options;
  const methods = new Map<string, FastMethod>();
  const readers = createRequestReaders();
  const origins = new Origins();
  const peers = new WeakMap<Http2Session, string>();
  const parts: FastPathParts = {
    ...options,
    endUndecoded(ended, cause) {
      try {
        options.endUndecoded(ended, cause);
      } catch (error) {
        // It is called by the listeners of a stream, which must not throw.
        options.logger.error(
          { err: error, requestId: ended.call.requestId },
          "the end of a call could not be reported",
        );
      }
    },
    maxMessageBytes: rpc.readMaxBytes,
    timeoutMaxMs: rpc.maxTimeoutMs,
    compressions: new Compressions(rpc.acceptCompression),
    compressMinBytes: rpc.compressMinBytes,
    sharedFrames: new SharedFrames(rpc.compressMinBytes),
    shutdown: new Shutdown(rpc.shutdownSignal),
  };

  function peerOf(session: Http2Session | undefined): string {
    if (session === undefined) return "unknown";
    let peer = peers.get(session);
    if (peer === undefined) {
      peer = peerOfSocket(session.destroyed ? undefined : session.socket);
      peers.set(session, peer);
    }
    return peer;
  }

  return {
    record: (router) => recordMethods(router, { methods, options: rpc, readers, guard: options.guard }),
    onStream(stream, headers) {
      const method = methods.get(headers[":path"] ?? "");
      if (method === undefined) return false;
      const request = readGrpcRequest(headers, parts);
      const origin = origins.of(headers[":authority"] ?? headers.host);
      if (request === undefined || origin === undefined) return false;
      const url = origin + headers[":path"];
      const exchange = openGrpcExchange(request, {
        ...{ url, parts, method: method.method, peer: peerOf(stream.session) },
      });
      const served = { stream, request, exchange, parts };
      if (method.kind === "unary") serveGrpcUnary({ ...served, method });
      else serveGrpcServerStream({ ...served, method });
      return true;
    },
    onRequest(incoming, response) {
      if ("stream" in incoming || "stream" in response) return false;
      const method = methods.get(incoming.url ?? "");
      if (method?.kind !== "unary") return false;
      const request = readConnectRequest(incoming, parts);
      const origin = origins.of(incoming.headers.host);
      if (request === undefined || origin === undefined) return false;
      const cancellation = new Cancellation(parts.shutdown);
      const peer = peerOfSocket(incoming.socket as Socket | undefined);
      const call = openCall({ headers: incoming.headers, peer, abandonment: cancellation }, parts.newRequestId);
      call.protocol = "connect";
      const exchange = new Exchange({
        ...{ call, cancellation, method: method.method, url: origin + incoming.url, isJson: !request.isBinary },
        requestHeaders: incoming.headers,
        responseHeaders: { "content-type": request.isBinary ? contentTypeUnaryProto : contentTypeUnaryJson },
        responseTrailers: {},
      });
      const { jsonOptions } = rpc;
      serveConnectUnary({ incoming, response, request, exchange, method, jsonOptions, parts });
      return true;
    },
  };
}
