import { type Event, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { checkSnapshot, readHistory } from "./feed-history.ts";
import { changeName, type Seen, watchWithBreaks } from "./feed-watcher.ts";
import { executeGraph, tryOut } from "./feed-writers.ts";
import { type OpenTransaction, openTransaction } from "./open-transaction.ts";
import { createRandom } from "./random.ts";
import { after, claim, createGraph, range, report, startTwoServers, type TwoServers } from "./two-servers.ts";

async function readNames(s: TwoServers): Promise<string[]> {
  return (await readHistory(s)).map(changeName);
}

/** The change that ends a watch: the success of a task of this name. */
async function finishWith(s: TwoServers): Promise<string> {
  const graph = await createGraph(s.a, [{ key: "last" }], { kind: "last" });
  const claimed = await claim(s.a, "last");
  expect(claimed.length).toBe(1);
  await report(s.b, claimed);
  return graph.id("last");
}

const isLast = (event: Event): boolean =>
  event.kind === "last" && event.payload.case === "taskStatusChanged" && event.payload.value.to === TaskStatus.SUCCESS;

test("every watcher sees the history of the table from where it began, in one order, whatever breaks off in between", async () => {
  await using s = await startTwoServers({ MILLPOND_FEED_BUFFER_EVENTS: "300" });
  const random = createRandom(Number(process.env.FEED_SEED ?? 1));
  const { nextCursor: beginning } = await s.a.events.listEvents({});
  const seen: { from: number | "snapshot"; watcher: Promise<Seen> }[] = [];
  const watch = (start: { snapshot: true } | { cursor: string }): Promise<Seen> =>
    watchWithBreaks({ clients: [s.a, s.b], random, start, isLast });
  const deadline = performance.now() + 7_000;
  const writers = range(6).map(async (n) => {
    for (let k = 0; performance.now() < deadline; k += 1) {
      await executeGraph([s.a, s.b], `kind ${n} ${k}`, random);
      if (seen.length >= 24) continue;
      const { events, nextCursor } = await s.b.events.listEvents({ pageSize: 1 + random.below(800) });
      seen.push(
        { from: events.length, watcher: watch({ cursor: nextCursor }) },
        { from: "snapshot", watcher: watch({ snapshot: true }) },
      );
    }
  });
  seen.push({ from: 0, watcher: watch({ cursor: beginning }) });
  await Promise.all(writers);
  await finishWith(s);

  const history = await readNames(s);
  expect(new Set(history).size).toBe(history.length);
  let resumes = 0;
  for (const { from, watcher } of seen) {
    const each = await watcher;
    resumes += each.resumes;
    if (from === "snapshot") await checkSnapshot(s.a, each, history);
    else expect(each.changes).toEqual(history.slice(from));
  }
  expect(seen.length).toBeGreaterThan(6);
  expect(resumes).toBeGreaterThan(seen.length);
  await s.finish();
});

/** Writes an event as the engine does, and holds its number until the transaction ends: of a batch, that nothing has changed. */
async function drawNumber(writer: OpenTransaction): Promise<void> {
  await writer.query(`insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers)
    select nextval('event_seq'), clock_timestamp(), '{5}', array[min(batch_id)], '{0}', '{1}', '{1}', '{0}', '{0}', '{0}' from batch_state`);
}

test.each(["commit", "rollback"])(
  "a writer that draws an early number and ends by %s while later ones commit delays the feed and loses nothing",
  async (end) => {
    await using s = await startTwoServers();
    const { batchId } = await createGraph(s.a, [{ key: "held" }], { kind: "held", open: true });
    const { nextCursor: cursor, events: before } = await s.b.events.listEvents({ waitTimeout: { seconds: 10n } });
    await using writer = await openTransaction(s.databaseUrl);
    await drawNumber(writer);
    const random = createRandom(4);
    await Promise.all(range(4).map((n) => executeGraph([s.a, s.b], `kind ${n}`, random)));
    const waitTimeout = { nanos: 200_000_000 };
    for (const client of [s.a, s.b])
      expect((await client.events.listEvents({ cursor, waitTimeout })).events).toEqual([]);

    const started: Promise<void>[] = [];
    const watchers = [{ cursor }, { cursor }, { snapshot: true as const }].map((start) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      started.push(promise);
      return watchWithBreaks({ clients: [s.a, s.b], random, start, isLast, onStarted: resolve });
    });
    await Promise.all(started);
    await executeGraph([s.a, s.b], "kind 5", random);
    await finishWith(s);
    await writer.query(end);

    const [first, second, snapshot] = await Promise.all(watchers);
    const history = await readNames(s);
    const ofBatch = (await s.a.events.listEvents({ filter: { batchIds: [batchId] } })).events;
    const held = ofBatch.filter(({ eventId, payload }) => {
      return payload.case === "batchStatusChanged" && history[before.length]?.startsWith(eventId);
    });
    expect(first?.changes).toEqual(history.slice(before.length));
    expect(second?.changes).toEqual(history.slice(before.length));
    expect(held).toHaveLength(end === "commit" ? 1 : 0);
    await checkSnapshot(s.a, snapshot as Seen, history);
    await s.a.batches.stopBatch({ batchId });
    await s.finish();
  },
);

test("hundreds of commits behind a held number do not make a cursor that cannot be used", async () => {
  await using s = await startTwoServers();
  await createGraph(s.a, [{ key: "held" }], { kind: "held", open: true });
  await using writer = await openTransaction(s.databaseUrl);
  await drawNumber(writer);
  await Promise.all(range(700).map((n) => createGraph(n % 2 === 0 ? s.a : s.b, [{ key: `${n}` }])));
  const cursors = await Promise.all([{ snapshot: true }, { cursor: "" }].map((start) => firstCursor(s.a, start)));
  const watchers = cursors.map((cursor) =>
    watchWithBreaks({ clients: [s.b], random: createRandom(5), start: { cursor }, isLast }),
  );
  for (const cursor of cursors) expect((await s.b.events.listEvents({ cursor })).events).toEqual([]);
  await finishWith(s);
  await writer.query("rollback");
  const last = (await readNames(s)).slice(-5);
  for (const { changes } of await Promise.all(watchers)) expect(changes).toEqual(last);
  await s.finish();
});

/** The first place that a watch tells to resume from. */
async function firstCursor(client: MillpondClient, start: { snapshot: boolean } | { cursor: string }): Promise<string> {
  const abort = new AbortController();
  try {
    for await (const { cursor } of client.events.watchEvents(start, { signal: abort.signal })) {
      if (cursor !== "") return cursor;
    }
    throw new Error("the watch has ended");
  } finally {
    abort.abort();
  }
}

test("a transaction of another database does not stall the feed, though creations that are tried out leave gaps", async () => {
  await using s = await startTwoServers();
  await using elsewhere = await createTestDatabase();
  await using foreign = await openTransaction(elsewhere.url);
  await foreign.query("create table something (n integer)");
  const random = createRandom(6);
  const watcher = watchWithBreaks({ clients: [s.a, s.b], random, start: { snapshot: true }, isLast });
  await Promise.all(range(4).map((n) => executeGraph([s.a, s.b], `kind ${n}`, random)));
  await tryOut(s.b, [{ key: "tried out", kind: "work" }]);
  await finishWith(s);
  expect((await watcher).changes.length).toBeGreaterThan(2);
  await readNames(s);
  await s.finish();
});

test("a large commit can be left and resumed between its parts, and read one change at a time", async () => {
  await using s = await startTwoServers();
  const { nextCursor: cursor } = await s.a.events.listEvents({});
  await createGraph(
    s.a,
    range(2_400).map((n) => ({ key: `${n}`, dependencies: n === 0 ? [] : after(`${n - 1}`) })),
  );
  await s.b.tasks.cancelTasks({
    taskIds: [(await s.a.tasks.listTasks({ statuses: [TaskStatus.PENDING] })).tasks[0]?.taskId ?? ""],
  });
  await createGraph(
    s.b,
    range(40).map((n) => ({ key: `${n}` })),
    { kind: "small" },
  );
  await report(s.a, await claim(s.b, "small"));
  await finishWith(s);
  const history = await readNames(s);
  expect(history.length).toBeGreaterThan(2 * 2_400 + 120);
  const watchers = range(3).map((n) =>
    watchWithBreaks({
      clients: [s.a, s.b],
      random: { ...createRandom(n), below: () => n % 2 },
      start: { cursor },
      isLast,
    }),
  );
  for (const { changes } of await Promise.all(watchers)) expect(changes).toEqual(history);
  const tail = await readTail(s.b, 2_400 + 2_380);
  expect(tail).toEqual(history.slice(2_400 + 2_380));
  await s.finish();
});

/** Reads page by page of one change, after a first part that is skipped in large pages. */
async function readTail(client: MillpondClient, skip: number): Promise<string[]> {
  let cursor = "";
  for (let left = skip; left > 0; left -= 1000) {
    ({ nextCursor: cursor } = await client.events.listEvents({ cursor, pageSize: Math.min(left, 1000) }));
  }
  const changes: string[] = [];
  for (;;) {
    const page = await client.events.listEvents({ cursor, pageSize: 1 });
    if (page.events.length === 0) return changes;
    changes.push(...page.events.map(changeName));
    cursor = page.nextCursor;
  }
}
