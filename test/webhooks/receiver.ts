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
  [Symbol.asyncDispose](): Promise<void>;
}

/** startReceiver starts a receiver on a free port; `answer` is called once a request is complete. */
export async function startReceiver(
  answer: (res: http.ServerResponse, call: ReceivedCall, socket: Socket) => void,
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
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}/start`,
    calls,
    connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
