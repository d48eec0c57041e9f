import type { IncomingHttpHeaders } from "node:http";
import { Code, cors as protocols } from "@connectrpc/connect";
import type { Logger } from "pino";
import { wireError } from "../rpc/wire-error.ts";
import { openCall, requestIdHeader } from "./call.ts";
import { errorResponse, type HttpRoute, type HttpRouteResponse, matchPath, send } from "./http-routes.ts";
import { type NodeRequest, type NodeResponse, pathOf, peerOf } from "./node-http.ts";

/** What {@link createCors} works with. */
export interface CorsOptions {
  /** The origins whose pages may call the server, as browsers send them; one `*`: all. */
  readonly origins: readonly string[];
  /** The plain HTTP routes, some of which are closed to pages whatever their origin. */
  readonly routes: readonly HttpRoute[];
  readonly logger: Logger;
  readonly newRequestId: () => string;
}

/** Cors tells browsers which pages may call the server and read its answers. */
export interface Cors {
  /** Whether a request comes from a page that may call: its answer needs headers, whoever gives it. */
  readonly concerns: (headers: IncomingHttpHeaders) => boolean;
  /**
   * Sets the headers that the answer needs, before anybody answers: so errors and refusals have them, too, and a page sees
   * what they say. A preflight it answers itself: then it returns true.
   */
  readonly handle: (request: NodeRequest, response: NodeResponse) => boolean;
}

/** How long a browser may remember that a page may call: what Chromium allows at most. */
const maxAgeSeconds = 2 * 60 * 60;
const allowedMethods = protocols.allowedMethods.join(", ");
const allowedHeaders = [...protocols.allowedHeaders, "Authorization", requestIdHeader].join(", ");
const exposedHeaders = [...protocols.exposedHeaders, requestIdHeader].join(", ");

/**
 * Creates {@link Cors}. Credentials of the browser (cookies) are never allowed: this server knows none, and a page sends
 * its own `Authorization` without. What a page of another origin may send without asking (forms, text) is no RPC.
 */
export function createCors({ origins, routes, logger, newRequestId }: CorsOptions): Cors {
  const isAnyAllowed = origins.includes("*");
  const named = new Set(origins);
  const answersDiffer = named.size > 0 && !isAnyAllowed;
  const closed = routes.filter(({ closedToPages }) => closedToPages === true).map(({ path }) => path.split("/"));
  const isClosed = (path: string[]): boolean => closed.some((pattern) => matchPath(pattern, path) !== undefined);
  const mayCall = (origin: string | undefined): origin is string =>
    origin !== undefined && (isAnyAllowed || named.has(origin));

  function handle(request: NodeRequest, response: NodeResponse): boolean {
    const { method, headers } = request;
    const { origin } = headers;
    // Caches keep answers of GET only.
    const mayBeKept = method === "GET" || method === "HEAD";
    if (origin === undefined && !(answersDiffer && mayBeKept)) return false;
    if (isClosed(pathOf(request).split("/"))) return false;
    if (answersDiffer) response.setHeader("vary", "Origin");
    if (mayCall(origin)) response.setHeader("access-control-allow-origin", isAnyAllowed ? "*" : origin);
    if (origin !== undefined && method === "OPTIONS" && headers["access-control-request-method"] !== undefined) {
      answer(request, response, mayCall(origin) ? preflight() : refusal(origin));
      return true;
    }
    if (mayCall(origin)) response.setHeader("access-control-expose-headers", exposedHeaders);
    return false;
  }

  function answer(request: NodeRequest, response: NodeResponse, given: HttpRouteResponse): void {
    const call = openCall({ headers: request.headers, peer: peerOf(request) }, newRequestId);
    send(request, response, { call, answer: given });
    const line = { requestId: call.requestId, origin: request.headers.origin, path: pathOf(request) };
    logger.debug({ ...line, status: given.status }, "preflight");
  }

  return { concerns: ({ origin }) => mayCall(origin), handle };
}

function preflight(): HttpRouteResponse {
  return {
    status: 204,
    headers: {
      "access-control-allow-methods": allowedMethods,
      "access-control-allow-headers": allowedHeaders,
      "access-control-max-age": String(maxAgeSeconds),
    },
  };
}

/** A page does not get to see it; who looks at the browser's network log does. */
function refusal(origin: string): HttpRouteResponse {
  const message = `pages of ${origin} may not call this server: to let them, name the origin in MILLPOND_CORS_ORIGINS`;
  return errorResponse(wireError(Code.PermissionDenied, message, { reason: "PERMISSION_DENIED" }));
}
