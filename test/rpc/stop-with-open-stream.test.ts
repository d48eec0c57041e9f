import net from "node:net";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { setup } from "../support/setup.ts";

test("a client that has turned away from a stream without ending it does not keep the server from stopping", async () => {
  await using s = await setup();
  const transport = createConnectTransport({ baseUrl: s.url, httpVersion: "2", useBinaryFormat: true });
  for await (const { message } of createClient(EventService, transport).watchEvents({})) {
    expect(message.case).toBe("checkpoint");
    break;
  }
  const startedMs = performance.now();
  await s.server.stop(300);
  expect(performance.now() - startedMs).toBeLessThan(30_000);
});

test("nor does one that never closes its side of the connection", async () => {
  await using s = await setup();
  const socket = net.connect({ port: s.server.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]));
  await new Promise((resolve) => socket.once("data", resolve));
  const startedMs = performance.now();
  await s.server.stop(300);
  expect(performance.now() - startedMs).toBeLessThan(30_000);
  socket.destroy();
});
