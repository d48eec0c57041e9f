import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { type Cors, createCors } from "./cors.ts";
import { createFastPath, type FastPath } from "./fast-path/fast-path.ts";
import { createHealthService } from "./health-service.ts";
import { createHttpRoutes, type HttpRoute } from "./http-routes.ts";
import type { StreamHandler } from "./http2-front.ts";
import type { ErrorMapper } from "./interceptors/errors.ts";
import { createInterceptors } from "./interceptors/interceptor-order.ts";
import { createListener, type ListenerLimits } from "./listener.ts";
import { logCall } from "./log-call.ts";
import { createMessageGuard, type MessageGuard } from "./message-guard.ts";
import type { NodeHandler } from "./node-http.ts";
import { createProbeRoutes } from "./probe-routes.ts";
import { createReadiness, type ReadyState } from "./readiness.ts";
import { registerReflection } from "./reflection/reflection-service.ts";
import { createEndUndecoded, createRequestGate } from "./request-gate.ts";
import { createRpcAdapter } from "./rpc-adapter.ts";
import { createRpcMetrics, type RpcMetrics } from "./rpc-metrics.ts";

/** What {@link startServer} needs: the settings of a port, and what is served on it. */
export interface ServerOptions extends ListenerLimits {
  readonly host: string;
  /** 0: one that the system chooses. */
  readonly port: number;
  /** The largest request message, after decompression. */
  readonly maxMessageBytes: number;
  /** Answers from so many bytes on are compressed for callers that accept it. Default: the RPC library's, 1 KiB. */
  readonly compressMinBytes?: number;
  /** How long calls may go on when the server stops. */
  readonly shutdownGraceMs: number;
  /** Registers the services. */
  readonly routes: (router: ConnectRouter) => void;
  /** Plain HTTP routes beside the probes. */
  readonly httpRoutes?: readonly HttpRoute[];
  readonly mapError: ErrorMapper;
  /** Whether the server can serve; asked at most once a second. */
  readonly ready: () => Promise<ReadyState>;
  readonly logger: Logger;
  /** What `/metrics` shows. The metrics of calls are added to it, so each server needs its own. */
  readonly registry: Registry;
  /** What `/metrics` shows instead. */
  readonly metricsText?: () => Promise<string>;
  /** May take HTTP/2 streams before the fast path and the RPC library see them. */
  readonly onStream?: StreamHandler;
  /** The origins whose pages may call the server; one `*`: all. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Whether the server tells generic clients what it serves. Default: true. */
  readonly reflection?: boolean;
  /** Whether calls with nothing unusual about them are served without the RPC library's machinery. Default: true. */
  readonly rpcFastPath?: boolean;
  /** Checks requests against the contract. Default: protovalidate. */
  readonly validator?: Validator;
}

/** A server that listens. */
export interface RunningServer {
  readonly port: number;
  /** Where a client on this machine reaches it: `http://127.0.0.1:8085`. */
  readonly url: string;
  /**
   * Stops: not ready, no new connections, open calls told to end (UNAVAILABLE), and what has not ended within the grace
   * cut off. Resolves when every connection is closed. Calling it again returns the same promise.
   */
  stop(graceMs?: number): Promise<void>;
}

const compressMinBytesDefault = 1024;
const compressions = [compressionGzip, compressionBrotli];
/** The longest deadline that a caller may set: the longest delay that a timer can hold, nearly 25 days. */
const deadlineMaxMs = 2_147_483_647;

/**
 * Starts a server: every protocol of Connect, gRPC health and reflection on one port, plain HTTP routes beside them. It knows
 * nothing of what is served. Rejects with an explanation when the port cannot be had.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const now = () => performance.now();
  const readiness = createReadiness(options.ready, now);
  const shutdown = new AbortController();
  const validator = options.validator ?? createValidator();
  const rpcMetrics = createRpcMetrics(options.registry);
  const guard = createMessageGuard();
  const rpc = createRpc(options, { shutdownSignal: shutdown.signal, validator, rpcMetrics, guard, now });
  const router = rpc.fastPath === undefined ? rpc.router : rpc.fastPath.record(rpc.router);
  options.routes(router);
  router.service(
    Health,
    createHealthService(readiness, () => serviceNames),
  );
  if (options.reflection !== false) registerReflection(router, () => services);
  const services = [...new Set(router.handlers.map((handler) => handler.service))];
  const serviceNames = new Set(services.map(({ typeName }) => typeName));
  warmUp(validator, router.handlers);

  const shared = { ...options, newRequestId: randomUUID };
  const routes = [
    ...createProbeRoutes({ readiness, registry: options.registry, metricsText: options.metricsText }),
    ...(options.httpRoutes ?? []),
  ];
  const fallback = createHttpRoutes({ ...shared, routes, maxBodyBytes: options.maxMessageBytes, now });
  const adapter = createRpcAdapter({ ...shared, handlers: router.handlers, fallback, guard, compressions });
  const cors = createCors({ ...shared, routes, origins: options.corsOrigins ?? [] });
  const taking = withCors(cors, withFastPath(rpc.fastPath, { ...options, handler: adapter }));
  const listener = createListener({ ...options, ...taking });
  const port = await listener.listen(options);
  let stopped: Promise<void> | undefined;

  return {
    port,
    url: `http://${reachableHost(options.host)}:${port}`,
    stop: (graceMs = options.shutdownGraceMs) => {
      if (stopped === undefined) {
        readiness.drain();
        shutdown.abort(new ConnectError("the server is shutting down", Code.Unavailable));
        stopped = listener.stop(graceMs);
      }
      return stopped;
    },
  };
}

/** The RPC library's router, and the fast path with the same options and interceptors, unless it is turned off. */
function createRpc(
  options: ServerOptions,
  parts: {
    shutdownSignal: AbortSignal;
    validator: Validator;
    rpcMetrics: RpcMetrics;
    guard: MessageGuard;
    now: () => number;
  },
): { router: ConnectRouter; fastPath: FastPath | undefined } {
  const { logger, mapError, requestTimeoutMs } = options;
  const rpc = {
    acceptCompression: compressions,
    compressMinBytes: options.compressMinBytes ?? compressMinBytesDefault,
    readMaxBytes: options.maxMessageBytes,
    maxTimeoutMs: deadlineMaxMs,
    jsonOptions: { ignoreUnknownFields: false },
    shutdownSignal: parts.shutdownSignal,
    interceptors: createInterceptors({ ...parts, logger, mapError }),
  };
  const endUndecoded = createEndUndecoded((undecoded) => {
    logCall(logger, undecoded);
    parts.rpcMetrics.refused(undecoded.method, undecoded.code);
  });
  return {
    router: createConnectRouter({ ...rpc, requestGate: createRequestGate(endUndecoded) }),
    fastPath:
      options.rpcFastPath === false
        ? undefined
        : createFastPath({ rpc, guard: parts.guard, endUndecoded, requestTimeoutMs, newRequestId: randomUUID, logger }),
  };
}

/** What takes the streams and requests of the listener. */
interface Taking {
  readonly onStream?: StreamHandler | undefined;
  readonly handler: NodeHandler;
}

/** Gives the answers to pages their headers. A stream of HTTP/2 that is one's becomes a request: the fast path sets no such headers there. */
function withCors(cors: Cors, { onStream, handler }: Taking): Taking {
  return {
    onStream: (stream, headers) => !cors.concerns(headers) && onStream?.(stream, headers) === true,
    handler: (request, response) => {
      if (!cors.handle(request, response)) handler(request, response);
    },
  };
}

/** Offers each call to the fast path first. */
function withFastPath(fastPath: FastPath | undefined, { onStream, handler }: Taking): Taking {
  if (fastPath === undefined) return { onStream, handler };
  return {
    onStream: (stream, headers) => onStream?.(stream, headers) === true || fastPath.onStream(stream, headers),
    handler: (request, response) => {
      if (!fastPath.onRequest(request, response)) handler(request, response);
    },
  };
}

/** Compiles the rules of every request type, which otherwise costs the first caller tens of milliseconds. */
function warmUp(validator: Validator, handlers: readonly UniversalHandler[]): void {
  for (const { method } of handlers) validator.validate(method.input, create(method.input));
}

/** The host under which a client on this machine reaches a server that listens on `host`. */
function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
