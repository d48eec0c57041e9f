import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { createHealthService } from "./health-service.ts";
import { createHttpRoutes, type HttpRoute } from "./http-routes.ts";
import type { StreamHandler } from "./http2-front.ts";
import type { ErrorMapper } from "./interceptors/errors.ts";
import { createInterceptors } from "./interceptors/interceptor-order.ts";
import { createListener, type ListenerLimits } from "./listener.ts";
import { logCall } from "./log-call.ts";
import { createProbeRoutes } from "./probe-routes.ts";
import { createReadiness, type ReadyState } from "./readiness.ts";
import { createRequestGate } from "./request-gate.ts";
import { createRpcAdapter } from "./rpc-adapter.ts";
import { createRpcMetrics, type RpcMetrics } from "./rpc-metrics.ts";

/** What {@link startServer} needs: the settings of a port, and what is served on it. */
export interface ServerOptions extends ListenerLimits {
  readonly host: string;
  /** 0: one that the system chooses. */
  readonly port: number;
  /** The largest request message, after decompression. */
  readonly maxMessageBytes: number;
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
  /** May take HTTP/2 streams before the RPC library sees them. */
  readonly onStream?: StreamHandler;
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

/** The longest deadline that a caller may set: the longest delay that a timer can hold, nearly 25 days. */
const deadlineMaxMs = 2_147_483_647;

/**
 * Starts a server: every protocol of Connect and gRPC health on one port, plain HTTP routes beside them. It knows
 * nothing of what is served. Rejects with an explanation when the port cannot be had.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const now = () => performance.now();
  const readiness = createReadiness(options.ready, now);
  const shutdown = new AbortController();
  const validator = options.validator ?? createValidator();
  const rpcMetrics = createRpcMetrics(options.registry);
  const router = createRouter(options, { shutdownSignal: shutdown.signal, validator, rpcMetrics, now });
  options.routes(router);
  router.service(
    Health,
    createHealthService(readiness, () => serviceNames),
  );
  const serviceNames = new Set(router.handlers.map((handler) => handler.service.typeName));
  warmUp(validator, router.handlers);

  const fallback = createHttpRoutes({
    ...options,
    routes: [
      ...createProbeRoutes({ readiness, registry: options.registry, metricsText: options.metricsText }),
      ...(options.httpRoutes ?? []),
    ],
    maxBodyBytes: options.maxMessageBytes,
    newRequestId: randomUUID,
    now,
  });
  const handler = createRpcAdapter({ ...options, handlers: router.handlers, fallback, newRequestId: randomUUID });
  const listener = createListener({ ...options, handler });
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

function createRouter(
  options: ServerOptions,
  parts: { shutdownSignal: AbortSignal; validator: Validator; rpcMetrics: RpcMetrics; now: () => number },
): ConnectRouter {
  const { logger, mapError } = options;
  return createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: options.maxMessageBytes,
    maxTimeoutMs: deadlineMaxMs,
    jsonOptions: { ignoreUnknownFields: false },
    shutdownSignal: parts.shutdownSignal,
    interceptors: createInterceptors({ ...parts, logger, mapError }),
    requestGate: createRequestGate((undecoded) => {
      logCall(logger, undecoded);
      parts.rpcMetrics.refused(undecoded.method, undecoded.code);
    }),
  });
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
