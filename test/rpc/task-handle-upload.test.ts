import http from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { eventually, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

/** The path of a handle that a start webhook has been given. */
async function newHandle(): Promise<string> {
  const target = await startReceiver((response) => response.writeHead(202).end());
  onTestFinished(() => target[Symbol.asyncDispose]());
  const execution = { case: "onStart" as const, value: { url: target.url } };
  await server.graph([{ key: "p", name: "p", kind: newKind(), execution }]);
  const call = await eventually(async () => target.calls[0], "the start call");
  const handle = new URL(call.url.searchParams.get("handle") ?? "");
  return `${handle.pathname}${handle.search}`;
}

const forged = `/task/00000000-0000-4000-8000-000000000000?attempt=1&token=${"x".repeat(43)}`;

/** Sends a body over HTTP/2 without ending it; answers the status once the answer is complete. */
async function sendUnended(path: string, body: Buffer): Promise<number> {
  const session = http2.connect(server.url);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":method": "POST", ":path": path }, { endStream: false });
  stream.write(body);
  stream.resume();
  return new Promise((resolve, reject) => {
    let status = 0;
    stream.on("response", (headers) => {
      status = headers[":status"] ?? 0;
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(status));
  });
}

test("a forged handle is refused over HTTP/2 before its body has arrived", async () => {
  expect(await sendUnended(forged, Buffer.from("{"))).toBe(404);
});

test("a body above 4 MiB is refused over HTTP/2 before it has ended", async () => {
  const path = await newHandle();
  expect(await sendUnended(path, Buffer.alloc(9 * 1024 * 1024, " "))).toBe(413);
});

test("a forged handle is refused over HTTP/1.1 before its body has arrived", async () => {
  const socket = connect(server.setup.server.port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.write(`POST ${forged} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{`);
  const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data))));
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
});

test("a connection is kept after a body that was refused unread, and after one that was taken", async () => {
  const path = await newHandle();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ports = new Set<number | undefined>();
  const post = (to: string, body: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = http.request(`${server.url}${to}`, { method: "POST", agent }, (response) => {
        ports.add(request.socket?.localPort);
        response.resume().on("end", () => resolve(response.statusCode));
      });
      request.on("error", reject).end(body);
    });
  expect(await post(forged, "x".repeat(500_000))).toBe(404);
  expect(await post(path, '{"heartbeat":{}}')).toBe(200);
  expect(await post(path, '{"success":{}}')).toBe(200);
  expect(ports.size).toBe(1);
});
