import { type AddressInfo, createServer, type Socket } from "node:net";
import { createHttp1Front } from "./http1-front.ts";
import { createHttp2Front, type StreamHandler } from "./http2-front.ts";
import type { NodeHandler } from "./node-http.ts";
import { sniffProtocol } from "./sniff-protocol.ts";

/** The limits of {@link createListener}. */
export interface ListenerLimits {
  /** The largest header block of one request. */
  readonly maxHeaderBytes: number;
  /** How many streams one HTTP/2 connection may have open. */
  readonly maxStreamsPerConnection: number;
  /** How long a client may take to send a whole request; its first bytes and its headers have a sixth of it. */
  readonly requestTimeoutMs: number;
  /** How often HTTP/2 connections are pinged. */
  readonly keepaliveIntervalMs: number;
}

/** Listener is the one cleartext port of a server. */
export interface Listener {
  /** Listens, and returns the port: the given one, or for 0 the one that the system chose. */
  listen(address: { host: string; port: number }): Promise<number>;
  /**
   * Stops accepting, asks the connections to end (GOAWAY, `Connection: close`), and cuts those that have not by
   * `graceMs`. Resolves when all are closed. Calling it again returns the same promise.
   */
  stop(graceMs: number): Promise<void>;
}

/** The share of a request's time that its headers have. */
const headersShare = 6;

/**
 * Creates the port: it tells HTTP/2 with prior knowledge (gRPC, gRPC-Web, Connect) from HTTP/1.1 (Connect, gRPC-Web,
 * plain HTTP) by a connection's first bytes. `onStream` may take HTTP/2 streams before they become requests.
 */
export function createListener(
  options: ListenerLimits & { handler: NodeHandler; onStream?: StreamHandler | undefined },
): Listener {
  const headersTimeoutMs = Math.ceil(options.requestTimeoutMs / headersShare);
  const http1 = createHttp1Front({ ...options, headersTimeoutMs });
  const http2 = createHttp2Front(options);
  const undecided = new Set<Socket>();
  const server = createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: options.keepaliveIntervalMs, allowHalfOpen: true },
    (socket) => {
      undecided.add(socket);
      const decided = () => undecided.delete(socket);
      socket.once("close", decided);
      sniffProtocol(socket, {
        timeoutMs: headersTimeoutMs,
        onProtocol: (protocol) => {
          socket.off("close", decided);
          decided();
          (protocol === "http2" ? http2 : http1).accept(socket);
        },
      });
    },
  );
  let stopped: Promise<void> | undefined;

  async function stop(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of undecided) socket.destroy();
    http2.drain();
    http1.drain();
    const timer = setTimeout(() => {
      http2.destroy();
      http1.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
    http2.destroy();
  }

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        // Once it listens, an error is that of one connection that could not be accepted; its client sees it.
        server.on("error", (error) => reject(explainListenError(error, address)));
        server.listen(address.port, address.host, () => resolve((server.address() as AddressInfo).port));
      }),
    stop: (graceMs) => (stopped ??= stop(graceMs)),
  };
}

function explainListenError(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new Error(
        `port ${port} on ${host} is in use: stop what uses it, or set PORT to another (0: any free one)`,
        {
          cause: error,
        },
      );
    case "EACCES":
      return new Error(`port ${port} is reserved for root: set PORT to 1024 or more`, { cause: error });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new Error(`${host} is not an address of this machine: set HOST to one that is`, { cause: error });
    default:
      return error;
  }
}
