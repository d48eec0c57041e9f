import http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import {
  EventService,
  WatchEventsRequestSchema,
  type WatchEventsResponse,
  WatchEventsResponseSchema,
} from "../../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../../src/gen/millpond/v1/task_service_pb.ts";
import { errorOf, grpcFrame, startFakeServer, until } from "../server-harness.ts";
import { behaveHeader, expectSame, type ParityServer, startPair, taskId } from "./parity-servers.ts";

const watch = grpcFrame(toBinary(WatchEventsRequestSchema, create(WatchEventsRequestSchema, { filter: {} })));
const getTask = "/millpond.v1.TaskService/GetTask";
const watchEvents = "/millpond.v1.EventService/WatchEvents";
const watchHeaders = { ":method": "POST", ":path": watchEvents, "content-type": "application/grpc" };

test("a reader that is slow holds up its stream, and gets all of it when it reads on", async () => {
  const pair = await startPair();
  await expectSame(pair, async (server: ParityServer) => {
    const session = http2.connect(server.url, { settings: { initialWindowSize: 65_535 } });
    const stream = session.request({ ...watchHeaders, [behaveHeader]: "flood" });
    stream.end(watch);
    stream.pause();
    await until(() => server.seen.yielded > 0, "the first message");
    const stuckAt = await settled(() => server.seen.yielded);
    let received = 0;
    stream.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    stream.resume();
    const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.on("trailers", resolve));
    session.close();
    return { wasHeldUp: stuckAt < 1_000, received, status: trailers["grpc-status"], yielded: server.seen.yielded };
  });
});

test("a request that does not arrive ends its unary call", async () => {
  const pair = await startPair({ requestTimeoutMs: 100 });
  const same = await expectSame(pair, (server) => leaveUnfinished(server, getTask));
  expect(same).toMatchObject({ result: http2.constants.NGHTTP2_CANCEL, called: [{ code: "CANCELED" }] });
});

test("a caller that is gone before its request has arrived is logged so", async () => {
  const pair = await startPair();
  const same = await expectSame(pair, (server) => leaveUnfinished(server, getTask, { vanishes: true }));
  expect(same).toMatchObject({ called: [{ code: "CANCELED" }] });
});

test("callers of streams that go away are logged as CANCELED, and are no defect of the server", async () => {
  const pair = await startPair({ requestTimeoutMs: 100 });
  const codes = async (server: ParityServer, calls: number): Promise<unknown[]> => {
    const lines = () => server.log.filter(({ msg }) => msg === "call");
    await until(() => lines().length === calls, "the log");
    return lines().map(({ code, level }) => [code, level]);
  };
  for (const server of [pair.fast, pair.library]) {
    expect(await leaveUnfinished(server, watchEvents)).toBe(http2.constants.NGHTTP2_CANCEL);
    await leaveUnfinished(server, watchEvents, { vanishes: true });
    await codes(server, 2);
    const session = http2.connect(server.url);
    const stream = session.request({ ...watchHeaders, [behaveHeader]: "flood" });
    stream.on("error", () => {});
    stream.end(watch);
    stream.pause();
    await until(() => server.seen.yielded > 0, "the first message");
    await settled(() => server.seen.yielded);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => server.seen.signals.every(({ aborted }) => aborted), "the signal");
    session.destroy();
    expect(server.seen.yielded).toBeLessThan(1_000);
  }
  for (const server of [pair.fast, pair.library]) {
    expect(await codes(server, 3)).toEqual(Array.from({ length: 3 }, () => ["CANCELED", 30]));
    expect(server.log.filter(({ level }) => level >= 40)).toEqual([]);
  }
});

test("an intended difference: a deadline that passes while the request is on its way is answered at once", async () => {
  const { fast } = await startPair();
  const session = http2.connect(fast.url);
  const stream = session.request({
    ...{ ...watchHeaders, ":path": getTask, "grpc-timeout": "50m" },
  });
  stream.write(watch.subarray(0, 3));
  const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) => {
    stream.on("trailers", resolve);
    stream.resume();
  });
  session.destroy();
  expect(trailers["grpc-status"]).toBe(String(Code.DeadlineExceeded));
});

test("a server that stops lets calls end, and tells streams that it is stopping", async () => {
  const pair = await startPair({ shutdownGraceMs: 30_000 });
  await expectSame(
    pair,
    async (server: ParityServer) => {
      const grpc = createGrpcTransport({ baseUrl: server.url });
      const http1 = createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" });
      const headers = { [behaveHeader]: "wait" };
      const calls = [grpc, http1].map((transport) =>
        errorOf(createClient(TaskService, transport).getTask({ taskId }, { headers })),
      );
      const stream = createClient(EventService, grpc).watchEvents({}, { headers })[Symbol.asyncIterator]();
      await stream.next();
      await until(() => server.seen.signals.length === 3, "the calls");
      const stopping = server.stop();
      const errors = await Promise.all([...calls, errorOf(stream.next())]);
      await stopping;
      return errors.map(({ code, rawMessage }) => ({ code, rawMessage }));
    },
    { calls: 3 },
  );
});

test("streams that yield the same message share its frame; a message that a stream changes and yields again is sent anew", async () => {
  const shared = create(WatchEventsResponseSchema, { cursor: "shared".repeat(500) });
  const { url } = await startFakeServer({
    events: {
      async *watchEvents() {
        const own: WatchEventsResponse = create(WatchEventsResponseSchema, { cursor: "1" });
        yield shared;
        yield own;
        own.cursor = "2";
        yield own;
        yield shared;
      },
    },
  });
  for (const acceptCompression of [[], undefined]) {
    const transport = createGrpcTransport({ baseUrl: url, ...(acceptCompression && { acceptCompression }) });
    for (let subscriber = 0; subscriber < 3; subscriber++) {
      const cursors: string[] = [];
      for await (const { cursor } of createClient(EventService, transport).watchEvents({})) cursors.push(cursor);
      expect(cursors).toEqual([shared.cursor, "1", "2", shared.cursor]);
    }
  }
});

/**
 * Sends half of a request and waits for the server to end it, or vanishes. Resets are not for here: a client of node:http2
 * ends a stream before it resets it. Returns the code with which the stream closed.
 */
async function leaveUnfinished(
  server: ParityServer,
  path: string,
  { vanishes = false }: { vanishes?: boolean } = {},
): Promise<number | undefined> {
  const session = http2.connect(server.url);
  session.on("error", () => {});
  const stream = session.request({ ...watchHeaders, ":path": path });
  stream.on("error", () => {});
  const closed = new Promise((resolve) => stream.on("close", resolve));
  await new Promise<void>((resolve) => stream.write(watch.subarray(0, 3), () => resolve()));
  if (vanishes) {
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    session.socket.destroy();
  }
  await closed;
  session.destroy();
  return stream.rstCode;
}

/** The value of a counter once it has stopped to move. */
async function settled(count: () => number): Promise<number> {
  let last = -1;
  let since = 0;
  await until(async () => {
    const now = count();
    since = now === last ? since + 1 : 0;
    last = now;
    return since > 20;
  }, "a pause");
  return last;
}
