import http from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** ReceivedCall is one request as the receiver saw it. */
export interface ReceivedCall {
  readonly method: string;
  readonly url: URL;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Which connection it came over, counted from 1. */
  readonly connection: number;
}

/** Receiver is a local HTTP server that remembers its calls. */
export interface Receiver {
  readonly port: number;
  readonly url: string;
  readonly calls: ReceivedCall[];
  /** Connections that are open now. */
  readonly connections: ReadonlySet<Socket>;
  /** How many connections there have been. */
  readonly connectionCount: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a receiver does with a call. */
export type Answer = (res: http.ServerResponse, call: ReceivedCall, socket: Socket) => void;

/** What a receiver may be told beside its answers. */
export interface ReceiverOptions {
  /** Default: one that is free. */
  readonly port?: number;
  /** Called with each new connection, before anything is read of it. */
  readonly onConnection?: (socket: Socket) => void;
}

/** startReceiver starts a receiver; `answer` is called once a request is complete. */
export async function startReceiver(
  answer: Answer,
  { port: wantedPort = 0, onConnection }: ReceiverOptions = {},
): Promise<Receiver> {
  const calls: ReceivedCall[] = [];
  const connections = new Set<Socket>();
  const numbers = new WeakMap<Socket, number>();
  let opened = 0;
  const server = http.createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const call: ReceivedCall = {
        method: req.method ?? "",
        url: new URL(req.url ?? "", "http://receiver"),
        headers: req.headers,
        body: Buffer.concat(chunks).toString(),
        connection: numbers.get(req.socket) ?? 0,
      };
      calls.push(call);
      answer(res, call, req.socket);
    });
  });
  server.on("connection", (socket) => {
    numbers.set(socket, ++opened);
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => undefined);
    onConnection?.(socket);
  });
  await new Promise<void>((resolve) => server.listen(wantedPort, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}/start`,
    calls,
    connections,
    get connectionCount() {
      return opened;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
