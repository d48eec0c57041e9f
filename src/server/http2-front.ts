import http2 from "node:http2";
import type { Socket } from "node:net";
import type { NodeHandler } from "./node-http.ts";

/** The limits of {@link createHttp2Front}. */
export interface Http2Limits {
  readonly maxHeaderBytes: number;
  readonly maxStreamsPerConnection: number;
  readonly keepaliveIntervalMs: number;
}

/**
 * StreamHandler may take an HTTP/2 stream before it becomes a request and response: it returns true when it has. It
 * must not throw.
 */
export type StreamHandler = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => boolean;

/** Http2Front serves HTTP/2 on connections that somebody else has accepted. */
export interface Http2Front {
  /** Serves a connection, from its preface on, until it closes. */
  accept(socket: Socket): void;
  /** Sends GOAWAY on each connection, which then closes when its streams have ended. */
  drain(): void;
  /** Cuts every connection. */
  destroy(): void;
}

/** How much of a request body may arrive before it is read: fewer round trips for large uploads than the 64 KiB default. */
const streamWindowBytes = 1024 * 1024;
const connectionWindowBytes = 4 * 1024 * 1024;
/** What one connection may hold in memory, in megabytes: room for several messages of the largest usual size. */
const sessionMemoryMb = 64;
/** Pings without an answer after which a connection counts as dead. */
const unansweredPingsMax = 2;

/**
 * Creates the HTTP/2 side of the port. Each stream is offered to `onStream`, and goes to `handler` as a request and
 * response when it was not taken.
 */
export function createHttp2Front(
  options: Http2Limits & { handler: NodeHandler; onStream?: StreamHandler | undefined },
): Http2Front {
  const serverOptions: http2.ServerOptions = {
    maxSessionMemory: sessionMemoryMb,
    // Beside those of the keepalive, each call that takes a stream may send one.
    maxOutstandingPings: options.maxStreamsPerConnection + unansweredPingsMax,
    settings: {
      maxConcurrentStreams: options.maxStreamsPerConnection,
      maxHeaderListSize: options.maxHeaderBytes,
      initialWindowSize: streamWindowBytes,
    },
  };
  const sessions = new Map<http2.ServerHttp2Session, { unansweredPings: number }>();
  const sockets = new Set<Socket>();
  // This server never accepts a connection: it makes requests and responses of the streams that are emitted on it.
  const requests = http2.createServer(serverOptions, options.handler);
  const server = http2.createServer(serverOptions);
  server.on("stream", (stream, headers, flags, rawHeaders) => {
    // A stream that its client resets while it is written to emits an error that nobody needs to hear.
    stream.on("error", () => {});
    if (headerBytes(rawHeaders) > options.maxHeaderBytes) refuseHeaders(stream, headers);
    else if (options.onStream?.(stream, headers) !== true) requests.emit("stream", stream, headers, flags, rawHeaders);
  });
  server.on("session", (session) => {
    sessions.set(session, { unansweredPings: 0 });
    session.setLocalWindowSize(connectionWindowBytes);
    session.once("close", () => sessions.delete(session));
    // node:http2 has closed the session by the time it says what was wrong with it.
    session.on("error", () => {});
  });
  const keepalive = setInterval(() => {
    for (const [session, state] of sessions) ping(session, state);
  }, options.keepaliveIntervalMs);
  keepalive.unref();

  return {
    accept(socket) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      // HTTP/2 knows no half-open connections, though the port keeps them open for HTTP/1.1: a client that has ended its side is gone.
      socket.once("end", () => socket.destroySoon());
      server.emit("connection", socket);
    },
    drain() {
      for (const session of sessions.keys()) session.close();
    },
    destroy() {
      clearInterval(keepalive);
      for (const session of sessions.keys()) session.destroy();
      // A session that has been asked to close only ends its side of the connection; the client may never end its own.
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The size of a header block as HTTP/2 counts it: names, values and 32 bytes for each pair. */
function headerBytes(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((size, text) => size + text.length + 16, 0);
}

/**
 * Answers a stream whose headers are too large. nghttp2 resets those that break the announced limit by far, or after the
 * client has acknowledged it; a client's first requests may come before that.
 */
function refuseHeaders(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  const contentType = headers["content-type"];
  const message = "the request's headers are larger than this server accepts (MILLPOND_MAX_HEADER_BYTES)";
  if (contentType?.startsWith("application/grpc") === true) {
    const status = { "grpc-status": "8", "grpc-message": message };
    stream.respond({ ":status": 200, "content-type": contentType, ...status }, { endStream: true });
  } else {
    stream.respond({ ":status": 431, "content-type": "application/json" });
    stream.end(JSON.stringify({ code: "resource_exhausted", message }));
  }
}

/** Pings a connection, or cuts it when it has not answered the last pings. */
function ping(session: http2.ServerHttp2Session, state: { unansweredPings: number }): void {
  if (session.destroyed) return;
  if (state.unansweredPings >= unansweredPingsMax) {
    session.destroy();
    return;
  }
  state.unansweredPings++;
  session.ping((error) => {
    if (error === null) state.unansweredPings = 0;
  });
}
