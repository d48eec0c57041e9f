import http2 from "node:http2";
import net from "node:net";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { http2Request, sendRaw, startFakeServer, until } from "./server-harness.ts";

const taskId = "0190a0b0-0000-7000-8000-000000000001";
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

async function isAlive(url: string): Promise<boolean> {
  return (await fetch(`${url}/healthz`)).status === 200;
}

describe("the one port", () => {
  test("tells HTTP/2 by its preface, byte by byte", async () => {
    const { port } = await startFakeServer();
    const bytes = Buffer.concat([Buffer.from(http2Preface), emptySettings]);
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    // The server's own SETTINGS frame: length, type 4, no flags, stream 0.
    const frame = "\u0004\0\0\0\0\0";
    expect(await sendRaw(port, pieces, new RegExp(frame))).toContain(frame);
  });

  test("takes HTTP/1.1 byte by byte, pipelined, and with a method that begins like the preface", async () => {
    const { port } = await startFakeServer();
    const get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    expect(await sendRaw(port, [...get], /"status":"ok"/)).toContain("200 OK");
    expect(await sendRaw(port, [get + get], /ok.*ok/s)).toMatch(/200 OK.*200 OK/s);
    const put = "PRI /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    expect(await sendRaw(port, [put.replace("PRI", "PUT")])).toContain("405 Method Not Allowed");
    expect(await sendRaw(port, [put])).toContain("400 Bad Request");
  });

  test("survives garbage, on either side of the preface", async () => {
    const { port, url } = await startFakeServer();
    const noise = Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 7919) % 256));
    expect(await sendRaw(port, [noise])).toContain("400 Bad Request");
    await sendRaw(port, [http2Preface, noise]);
    await sendRaw(port, [Buffer.concat([Buffer.from(http2Preface), emptySettings, noise])]);
    expect(await isAlive(url)).toBe(true);
  });

  test("refuses headers beyond the limit: on HTTP/1.1 and HTTP/2", async () => {
    const { port, url } = await startFakeServer();
    const big = "x".repeat(20 * 1024);
    const answer = await sendRaw(port, [`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${big}\r\n\r\n`]);
    expect(answer).toContain("431 Request Header Fields Too Large");
    expect(answer).toContain("MILLPOND_MAX_HEADER_BYTES");
    const get = { ":method": "GET", ":path": "/healthz" };
    expect((await http2Request(url, { ...get, "x-big": big })).headers[":status"]).toBe(431);
    const viaGrpc = await http2Request(url, { ":path": "/x", "content-type": "application/grpc", "x-big": big });
    expect(viaGrpc.headers["grpc-status"]).toBe("8");
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x-${index}`, big]));
    await http2Request(url, { ...get, ...many }).catch(() => {});
    expect(await isAlive(url)).toBe(true);
  });

  test("carries messages of many megabytes both ways", async () => {
    const { url } = await startFakeServer(
      {
        tasks: {
          createTasks: ({ requestId, tasks }) => ({ tasks: tasks.map(({ name }) => ({ key: name + requestId })) }),
        },
      },
      { maxMessageBytes: 16 * 1024 * 1024 },
    );
    const tasks = Array.from({ length: 10_000 }, () => ({ name: "n".repeat(255), kind: "k", key: "k".repeat(255) }));
    for (const transport of [
      createGrpcTransport({ baseUrl: url }),
      createConnectTransport({ baseUrl: url, httpVersion: "1.1" }),
    ]) {
      expect((await createClient(TaskService, transport).createTasks({ tasks })).tasks).toHaveLength(10_000);
    }
  });

  test("closes connections that send nothing, half a header or half a body", async () => {
    const { port } = await startFakeServer({}, { requestTimeoutMs: 300 });
    const head = "POST /millpond.v1.TaskService/GetTask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    expect(await sendRaw(port, [])).toBe("");
    expect(await sendRaw(port, ["PRI * HT"])).toBe("");
    expect(await sendRaw(port, [head])).toContain("408 Request Timeout");
    expect(await sendRaw(port, [`${head}Content-Length: 100\r\n\r\n{`])).toContain("408 Request Timeout");
  });

  test("ends an HTTP/2 call whose request does not arrive", async () => {
    const { url } = await startFakeServer({}, { requestTimeoutMs: 100 });
    const session = http2.connect(url);
    const stream = session.request({
      ":method": "POST",
      ":path": "/millpond.v1.TaskService/GetTask",
      "content-type": "application/grpc",
    });
    const code = await new Promise((resolve) => {
      stream.on("error", () => {});
      stream.on("close", () => resolve(stream.rstCode));
    });
    session.destroy();
    expect(code).toBe(http2.constants.NGHTTP2_CANCEL);
  });

  test("does not end a stream that outlives the time for its request", async () => {
    const { url } = await startFakeServer(
      {
        events: {
          async *watchEvents() {
            yield { cursor: "1" };
            await new Promise((resolve) => setTimeout(resolve, 300));
            yield { cursor: "2" };
          },
        },
      },
      { requestTimeoutMs: 100 },
    );
    for (const httpVersion of ["1.1", "2"] as const) {
      const cursors: string[] = [];
      const client = createClient(EventService, createConnectTransport({ baseUrl: url, httpVersion }));
      for await (const { cursor } of client.watchEvents({})) cursors.push(cursor);
      expect(cursors).toEqual(["1", "2"]);
    }
  });

  test("keeps idle HTTP/2 connections alive and cuts those whose peer is gone", async () => {
    const { port, url } = await startFakeServer({}, { keepaliveIntervalMs: 50 });
    const session = http2.connect(url);
    let pings = 0;
    session.on("ping", () => pings++);
    // A peer that sends its preface and then never answers a ping.
    const silent = sendRaw(port, [http2Preface, emptySettings]);
    await silent;
    await until(() => pings >= 5, "pings");
    expect(session.destroyed).toBe(false);
    session.destroy();
  });

  test("refuses more streams than it says on one connection", async () => {
    const { url } = await startFakeServer({}, { maxStreamsPerConnection: 7 });
    const session = http2.connect(url);
    const { maxConcurrentStreams } = await new Promise<http2.Settings>((resolve) =>
      session.once("remoteSettings", resolve),
    );
    session.destroy();
    expect(maxConcurrentStreams).toBe(7);
  });

  test("offers each HTTP/2 stream before it becomes a request", async () => {
    const { url } = await startFakeServer(
      { tasks: { getTask: () => ({}) } },
      {
        onStream: (stream, headers) => {
          if (headers[":path"] !== "/fast") return false;
          stream.respond({ ":status": 204 }, { endStream: true });
          return true;
        },
      },
    );
    expect((await http2Request(url, { ":path": "/fast" })).headers[":status"]).toBe(204);
    await createClient(TaskService, createGrpcTransport({ baseUrl: url })).getTask({ taskId });
  });

  test("says what to do when it is taken", async () => {
    const { port } = await startFakeServer();
    await expect(startFakeServer({}, { port })).rejects.toThrow(/is in use: .*set PORT/);
    await expect(startFakeServer({}, { host: "192.0.2.1" })).rejects.toThrow(/is not an address of this machine/);
  });

  test("does not mind a peer that resets in the middle", async () => {
    const { port, url } = await startFakeServer({ tasks: { getTask: () => ({}) } });
    for (const bytes of [
      http2Preface,
      "POST /millpond.v1.TaskService/GetTask HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ]) {
      const socket = net.connect(port, "127.0.0.1");
      await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
      socket.resetAndDestroy();
    }
    expect(await isAlive(url)).toBe(true);
  });
});
