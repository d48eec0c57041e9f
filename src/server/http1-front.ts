import http from "node:http";
import type { Socket } from "node:net";
import type { NodeHandler } from "./node-http.ts";

/** The limits of {@link createHttp1Front}. */
export interface Http1Limits {
  readonly maxHeaderBytes: number;
  /** How long a client may take to send its headers. */
  readonly headersTimeoutMs: number;
  /** How long a client may take to send a whole request. */
  readonly requestTimeoutMs: number;
}

/** Http1Front serves HTTP/1.1 on connections that somebody else has accepted. */
export interface Http1Front {
  /** Serves a connection until it closes. */
  accept(socket: Socket): void;
  /** Closes what is idle or has not sent a whole header; each other connection closes after its answer. */
  drain(): void;
  /** Cuts every connection. */
  destroy(): void;
}

/** How long an idle connection is kept: longer than the 60 s after which common proxies give up theirs. */
const keepAliveTimeoutMs = 75_000;
/** How long a client may take to read the answer to a request that could not be parsed. */
const refusalLingerMs = 1_000;

/** Creates the HTTP/1.1 side of the port. Requests go to `handler`; unparsable ones are answered with JSON and closed. */
export function createHttp1Front(options: Http1Limits & { handler: NodeHandler }): Http1Front {
  const unanswered = new Map<Socket, Set<http.ServerResponse>>();
  let draining = false;
  const server = http.createServer(
    {
      maxHeaderSize: options.maxHeaderBytes,
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(5_000, Math.ceil(options.headersTimeoutMs / 2)),
      keepAliveTimeout: keepAliveTimeoutMs,
    },
    (request, response) => {
      // Those who read a request may stop to listen just before the error of a connection that was cut reaches it: then it would end the process.
      request.on("error", () => {});
      track(request.socket, response);
      options.handler(request, response);
    },
  );
  // A server that does not listen itself enforces no timeouts until it believes that it does.
  server.emit("listening");
  server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
    // The servers of node:http hand out the socket that they were given.
    const socket = stream as Socket;
    const answering = [...(unanswered.get(socket) ?? [])].some((response) => response.headersSent);
    refuse(socket, error, answering);
  });

  function track(socket: Socket, response: http.ServerResponse): void {
    const open = unanswered.get(socket);
    open?.add(response);
    if (draining) response.shouldKeepAlive = false;
    response.once("close", () => {
      open?.delete(response);
      if (draining && open?.size === 0) socket.destroySoon();
    });
  }

  return {
    accept(socket) {
      unanswered.set(socket, new Set());
      socket.once("close", () => unanswered.delete(socket));
      server.emit("connection", socket);
      socket.resume();
    },
    drain() {
      draining = true;
      for (const [socket, responses] of unanswered) {
        if (responses.size === 0) socket.destroy();
        for (const response of responses) if (!response.headersSent) response.shouldKeepAlive = false;
      }
      server.close();
    },
    destroy() {
      for (const socket of unanswered.keys()) socket.destroy();
    },
  };
}

/** Answers what node:http could not parse, unless an answer of another request may be under way on the connection. */
function refuse(socket: Socket, error: NodeJS.ErrnoException, answering: boolean): void {
  if (error.code === "ECONNRESET" || !socket.writable || answering) {
    socket.destroy();
    return;
  }
  const { status, code, message } = describeRefusal(error.code);
  const body = JSON.stringify({ code, message });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), refusalLingerMs).unref();
}

function describeRefusal(code: string | undefined): { status: string; code: string; message: string } {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return {
        status: "431 Request Header Fields Too Large",
        code: "resource_exhausted",
        message: "the request's headers are larger than this server accepts (MILLPOND_MAX_HEADER_BYTES)",
      };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return {
        status: "408 Request Timeout",
        code: "deadline_exceeded",
        message: "the request did not arrive whole in time (MILLPOND_REQUEST_TIMEOUT)",
      };
    default:
      return { status: "400 Bad Request", code: "invalid_argument", message: "this is not an HTTP request" };
  }
}
