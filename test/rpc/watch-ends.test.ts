import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient as createConnectClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  EventService,
  type MillpondClient,
  type WatchEventsRequestSchema,
  type WatchEventsResponse,
  watchEvents,
} from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { expectRefusal } from "./shared-server.ts";

type Watching = Pick<MillpondClient["events"], "watchEvents">;

/** All messages of a stream until it ends, and what ended it. */
async function all(
  client: Watching,
  request: MessageInitShape<typeof WatchEventsRequestSchema>,
  onMessage: (message: WatchEventsResponse) => void = () => {},
): Promise<{ messages: WatchEventsResponse[]; error: unknown }> {
  const messages: WatchEventsResponse[] = [];
  try {
    for await (const message of client.watchEvents(request)) {
      messages.push(message);
      onMessage(message);
    }
    return { messages, error: undefined };
  } catch (error) {
    return { messages, error };
  }
}

async function createOne(client: MillpondClient, name = "t"): Promise<string> {
  const { batch } = await client.tasks.createTasks({ tasks: [{ name, kind: "k" }] });
  return batch?.batchId ?? "";
}

/** The same call in each way that is not gRPC. */
const transports = {
  "Connect on HTTP/2": (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  "Connect on HTTP/1.1": (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web": (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};

const ways = ["gRPC", ...Object.keys(transports)] as const;

function clientOf(way: string, s: { readonly url: string; readonly client: MillpondClient }): Watching {
  const transport = transports[way as keyof typeof transports];
  return transport === undefined ? s.client.events : createConnectClient(EventService, transport(s.url));
}

test.each(ways)(
  "over %s, a stream that has reached its greatest age ends in good order, with a place from which another goes on",
  async (way) => {
    await using s = await setup({ MILLPOND_MAX_STREAM_AGE: "1s" });
    const { messages, error } = await all(clientOf(way, s), { filter: { kinds: ["other"] } });
    expect(error).toBeUndefined();
    expect(messages.length).toBeGreaterThan(1);
    expect(messages.at(-1)).toMatchObject({ message: { case: "checkpoint" } });
    await createOne(s.client);
    const { messages: more } = await all(clientOf(way, s), { cursor: messages.at(-1)?.cursor ?? "" });
    expect(more.flatMap(({ message }) => (message.case === "events" ? message.value.events : []))).toHaveLength(2);
  },
);

test("the SDK goes on over streams that end", async () => {
  await using s = await setup({ MILLPOND_MAX_STREAM_AGE: "1s" });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const seen: string[] = [];
  let checkpoints = 0;
  for await (const { message } of watchEvents(s.client, {}, { signal: stop.signal })) {
    if (message.case === "checkpoint") checkpoints += 1;
    if (message.case === "checkpoint" && checkpoints % 2 === 1) await createOne(s.client);
    if (message.case === "events") seen.push(...message.value.events.map(({ eventId }) => eventId));
    // Each stream begins and ends with one.
    if (seen.length === 6) break;
  }
  expect(checkpoints).toBeGreaterThanOrEqual(5);
  expect(new Set(seen).size).toBe(6);
});

test.each(ways)(
  "over %s, a server that stops tells each watcher where to go on, though nothing of what it has told was of interest",
  async (way) => {
    await using s = await setup();
    const other = await s.another();
    const ready = Promise.withResolvers<void>();
    const watching = all(clientOf(way, s), { filter: { kinds: ["other"] } }, () => ready.resolve());
    await ready.promise;
    await createOne(s.client);
    await createOne(s.client);
    await s.server.stop(5_000);
    const { messages, error } = await watching;
    expect(ConnectError.from(error).code).toBe(Code.Unavailable);
    expect(messages.at(-1)).toMatchObject({ message: { case: "checkpoint" } });
    await createOne(other.client, "after");
    const { events } = await other.client.events.listEvents({ cursor: messages.at(-1)?.cursor ?? "" });
    expect(events.at(-1)).toMatchObject({ payload: { value: { name: "after" } } });
    expect(events.length).toBeLessThanOrEqual(6);
  },
);

test("a place from a server that is further keeps nobody else waiting, and goes on once this one is there", async () => {
  await using s = await setup();
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  await createOne(s.client);
  const { nextCursor } = await s.client.events.listEvents({});
  const seq = Number(/^c(\d+)-0$/.exec(nextCursor)?.[1]);
  const seen = new Map<string, number>();
  let ready = 0;
  const watch = async (cursor: string): Promise<void> => {
    for await (const { message } of s.client.events.watchEvents({ cursor }, { signal: abort.signal })) {
      if (message.case === "checkpoint") ready += 1;
      if (message.case === "events") seen.set(cursor, (seen.get(cursor) ?? 0) + message.value.events.length);
    }
  };
  // The one that is ahead comes first: whoever comes behind it is not to wait for it.
  const ahead = `c${seq + 2}-0`;
  for (const [n, cursor] of [ahead, nextCursor].entries()) {
    watch(cursor).catch(() => {});
    await until("the watch has begun", () => ready === n + 1);
  }
  for (let n = 0; n < 3; n += 1) await createOne(s.client);
  await until("both have seen what they had not", () => seen.get(nextCursor) === 6 && seen.get(ahead) === 2);
});

/** Deletes the oldest commits up to a number, as retention does. */
async function deleteUpTo(url: string, seq: number): Promise<void> {
  await withClient(url, async (client) => {
    await client.query("begin");
    await client.query("delete from event_tx where seq <= $1", [seq]);
    await client.query("update instance set event_floor = $1", [seq]);
    await client.query("commit");
  });
}

test("a place whose events are not kept any more has expired, and the error names the oldest that works; without one, it begins there", async () => {
  await using s = await setup({ MILLPOND_FEED_BUFFER_EVENTS: "100" });
  const { nextCursor: beginning } = await s.client.events.listEvents({});
  // What is rolled back leaves a gap, not a loss.
  await s.client.tasks.createTasks({ validateOnly: true, tasks: [{ name: "t", kind: "k" }] });
  const batchIds: string[] = [];
  for (let n = 0; n < 80; n += 1) batchIds.push(await createOne(s.client));
  const cursors: string[] = [beginning];
  for (let cursor = beginning; cursors.length < 60; cursors.push(cursor))
    cursor = (await s.client.events.listEvents({ cursor, pageSize: 2 })).nextCursor;
  expect((await s.client.events.listEvents({ cursor: beginning, pageSize: 1000 })).events).toHaveLength(160);

  const floor = Number(/^c(\d+)-0$/.exec(cursors[20] as string)?.[1]);
  await deleteUpTo(s.database.url, floor);
  const other = await s.another();
  const metadata = { oldest_cursor: `c${floor}-0` };
  const refusal = { code: "OutOfRange", reason: "CURSOR_EXPIRED" } as const;
  const expectExpired = async (call: Promise<unknown>) =>
    expect(await expectRefusal(call, refusal)).toMatchObject({ metadata });
  for (const { client } of [s, other])
    for (const cursor of [cursors[0], cursors[1], cursors[19]]) {
      await expectExpired(client.events.listEvents({ cursor: cursor ?? "" }));
      const watching = client.events.watchEvents({ cursor: cursor ?? "" })[Symbol.asyncIterator]();
      await expectExpired(watching.next().then(() => watching.next()));
    }
  for (const { client } of [s, other]) {
    for (const cursor of ["", metadata.oldest_cursor]) {
      const { events } = await client.events.listEvents({ cursor, pageSize: 1000 });
      expect(events).toHaveLength(120);
    }
    const ofOld = await client.events.listEvents({ filter: { batchIds: [batchIds[3] ?? ""] } });
    expect(ofOld.events).toEqual([]);
    const ofNew = await client.events.listEvents({ filter: { batchIds: [batchIds[50] ?? ""] } });
    expect(ofNew.events).toHaveLength(2);
  }
});

test("a stream that is not read is bounded in memory, holds up nobody else, and goes on where it was", async () => {
  await using s = await setup({ MILLPOND_FEED_BUFFER_EVENTS: "500" });
  const slow = s.client.events.watchEvents({})[Symbol.asyncIterator]();
  onTestFinished(() => void slow.return?.());
  await slow.next();
  const quick: string[] = [];
  const watching = new AbortController();
  onTestFinished(() => watching.abort());
  const ready = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const { message } of s.client.events.watchEvents({}, { signal: watching.signal })) {
      ready.resolve();
      if (message.case === "events") quick.push(...message.value.events.map(({ eventId }) => eventId));
    }
  })().catch(() => {});
  await ready.promise;
  const tasks = Array.from({ length: 1_000 }, () => ({ name: "x".repeat(255), kind: "k" }));
  for (let n = 0; n < 12; n += 1) await s.client.tasks.createTasks({ tasks });
  await until("the quick one has seen all", () => quick.length === 12 * 1_001);
  const slowly: string[] = [];
  while (slowly.length < quick.length) {
    const { value, done } = await slow.next();
    if (done === true) throw new Error("the stream has ended");
    if (value.message.case === "events") slowly.push(...value.message.value.events.map(({ eventId }) => eventId));
  }
  expect(slowly).toEqual(quick);
  watching.abort();
  await reading;
});
