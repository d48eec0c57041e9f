import { randomBytes } from "node:crypto";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { GrpcCalls } from "../../bench/support/grpc-calls.ts";
import { HttpCalls } from "../../bench/support/http-calls.ts";
import { encodeMessage, takeMessages } from "../../bench/support/http2-frames.ts";

const path = "/a.Service/Method";

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Calls a server that gives each request message to `answer`. */
async function grpcCalls(answer: (stream: ServerHttp2Stream, message: Buffer) => void): Promise<GrpcCalls> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    expect(headers).toMatchObject({
      ":path": path,
      ":method": "POST",
      "content-type": "application/grpc",
      te: "trailers",
    });
    // Of a stream that it cuts itself, a server is told as of an error.
    stream.on("error", () => {});
    const pieces: Buffer[] = [];
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("end", () => {
      const rest = takeMessages(Buffer.concat(pieces), (message) => answer(stream, message));
      expect(rest).toHaveLength(0);
    });
  });
  const calls = await GrpcCalls.open(await listen(server), path);
  onTestFinished(() => calls.close());
  return calls;
}

function succeed(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(encodeMessage(Buffer.from("yes")));
}

test("calls in flight on one connection get their messages through, larger ones than its windows too", async () => {
  const received: string[] = [];
  const calls = await grpcCalls((stream, message) => {
    received.push(message.toString("latin1"));
    succeed(stream);
  });
  const messages = [0, 1, 20, 16_384, 70_000, 1_000_000].map((bytes) => randomBytes(bytes));
  for (let round = 0; round < 3; round++) await Promise.all(messages.map((message) => calls.call(message)));
  const sent = Array.from({ length: 3 }, () => messages.map((message) => message.toString("latin1"))).flat();
  expect(received.sort()).toEqual(sent.sort());
});

test("a call that is answered without a message, or cut, fails, and the next one does not", async () => {
  const calls = await grpcCalls((stream, message) => {
    if (message.toString() === "refuse") stream.respond({ ":status": 200, "grpc-status": "3" }, { endStream: true });
    else if (message.toString() === "cut") stream.close(2);
    else succeed(stream);
  });
  await expect(calls.call(Buffer.from("refuse"))).rejects.toThrow("without a message");
  await expect(calls.call(Buffer.from("cut"))).rejects.toThrow("cut the call");
  await calls.call(Buffer.from("good"));
});

test("calls fail when the connection ends", async () => {
  const calls = await grpcCalls((stream) => stream.session?.destroy());
  await expect(calls.call(Buffer.from("a"))).rejects.toThrow();
  await expect(calls.call(Buffer.from("b"))).rejects.toThrow();
});

async function httpCalls(answer: RequestListener): Promise<HttpCalls> {
  const url = await listen(createHttpServer(answer));
  return new HttpCalls({ url, path: "/x?y=1", method: "POST", body: '{"ä":1}' });
}

test("a request over HTTP/1.1 is sent again and again, and its answers are told apart, with a length or in chunks", async () => {
  let n = 0;
  const calls = await httpCalls((request, answer) => {
    let body = "";
    request.setEncoding("utf8").on("data", (piece: string) => (body += piece));
    request.on("end", () => {
      n += 1;
      const text = `${n} ${request.method} ${request.url} ${request.headers["content-type"]} ${body}`;
      if (n === 2) {
        answer.writeHead(503);
        answer.write(text.slice(0, 5));
        setImmediate(() => answer.end(text.slice(5)));
      } else answer.writeHead(200, { "content-length": Buffer.byteLength(text) }).end(text);
    });
  });
  const said = (count: number) => `${count} POST /x?y=1 application/json {"ä":1}`;
  const answers = [await calls.call(), await calls.call(), await calls.call()].map(({ status, body }) => [
    status,
    body(),
  ]);
  expect(answers).toEqual([
    [200, said(1)],
    [503, expect.stringContaining("2 POS")],
    [200, said(3)],
  ]);
});

test("an answer that comes in many pieces is told whole", async () => {
  const text = "é".repeat(500_000);
  const calls = await httpCalls((request, answer) => {
    request.resume();
    answer.writeHead(200, { "content-length": Buffer.byteLength(text) }).end(text);
  });
  for (let n = 0; n < 3; n++) expect((await calls.call()).body()).toBe(text);
});

test("a connection that the server closes between two calls is made anew", async () => {
  const closed = Promise.withResolvers<void>();
  const calls = await httpCalls((request, answer) => {
    request.resume().on("end", () => answer.end("yes"));
    answer.on("finish", () => setImmediate(() => request.socket.destroy()));
    request.socket.on("close", () => closed.resolve());
  });
  expect((await calls.call()).status).toBe(200);
  await closed.promise;
  // Until this side has heard of it, too.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await calls.call()).status).toBe(200);
});

test("a request whose connection ends fails", async () => {
  const calls = await httpCalls((request) => request.socket.destroy());
  await expect(calls.call()).rejects.toThrow();
});
