import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Receiver takes webhooks and remembers them. */
export interface Receiver {
  readonly url: string;
  readonly calls: readonly { readonly method: string; readonly path: string; readonly body: unknown }[];
  readonly stop: () => Promise<void>;
}

/** startReceiver answers every call with a status. */
export async function startReceiver(status: number): Promise<Receiver> {
  const calls: { method: string; path: string; body: unknown }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body: unknown = text.startsWith("{") ? JSON.parse(text) : text;
      calls.push({ method: request.method ?? "", path: request.url ?? "", body });
      response.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls, stop };
}
