import { Code, ConnectError } from "@connectrpc/connect";
import { createClient, createGraph, EventService, watchEvents } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { startFakeServer } from "./support/fake-server.ts";

async function setup() {
  const server = await startFakeServer();
  const client = createClient({ address: server.url, retry: { initialBackoffMs: 1, maxBackoffMs: 5 } });
  onTestFinished(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
  });
  const createOne = async (key: string) => {
    const graph = createGraph();
    graph.task(key, { kind: "work" });
    await client.tasks.createTasks(graph.toRequest());
  };
  return { server, client, createOne };
}

test("a watch goes on after broken connections without losing or repeating an event", async () => {
  const { server, client, createOne } = await setup();
  const seen: string[] = [];
  let interruptions = 0;
  const messages = watchEvents(client, {}, { onInterrupted: () => interruptions++ });

  let created = 0;
  for await (const { message } of messages) {
    if (message.case === "events") seen.push(...message.value.events.map(({ eventId }) => eventId));
    if (seen.length === 20) break;
    if (seen.length < created * 2) continue;
    await createOne(`task ${created++}`);
    if (created % 3 === 0) server.breakConnections();
  }

  expect(seen).toEqual(server.engine.feed.map(({ eventId }) => eventId));
  expect(interruptions).toBeGreaterThanOrEqual(1);
});

test("a stream that the server ends in good order is resumed", async () => {
  const { server, client, createOne } = await setup();
  server.failNext(EventService.method.watchEvents, new ConnectError("draining", Code.Unavailable));
  for await (const { message } of watchEvents(client, {})) {
    if (message.case === "checkpoint") await createOne("one");
    if (message.case === "events") break;
  }
  expect(server.calls.filter(({ method }) => method === "WatchEvents")).toHaveLength(2);
});

test("a silent stream is given up and resumed", async () => {
  const { client, createOne } = await setup();
  const interruptions: unknown[] = [];
  const options = { silenceMaxMs: 50, onInterrupted: (error: unknown) => interruptions.push(error) };
  for await (const { message } of watchEvents(client, {}, options)) {
    if (interruptions.length === 1) await createOne("one");
    if (message.case === "events") break;
  }
  expect(String(interruptions[0])).toContain("no message for 50 ms");
});

test("what repeating cannot mend ends the watch", async () => {
  const { server, client } = await setup();
  server.failNext(EventService.method.watchEvents, new ConnectError("too old", Code.OutOfRange));
  await expect(watchEvents(client, { cursor: "1" }).next()).rejects.toThrow("too old");
});

test("an aborted signal ends the watch without an error", async () => {
  const { client } = await setup();
  const controller = new AbortController();
  let messages = 0;
  for await (const _ of watchEvents(client, {}, { signal: controller.signal })) {
    messages++;
    controller.abort();
  }
  expect(messages).toBe(1);
});
