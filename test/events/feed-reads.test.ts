import { expect, test, vi } from "vitest";
import { Feed } from "../../src/events/feed.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database } from "../../src/store/database.ts";
import { openTransaction } from "../engine/open-transaction.ts";
import { graphRows } from "../store/graph-rows.ts";
import { createTestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";

interface Tailed extends AsyncDisposable {
  readonly feed: Feed;
  readonly url: string;
  /** How often each statement has read. */
  readonly reads: Map<string, number>;
  /** Commits once, and tells the feed. */
  commit(): Promise<void>;
  /** Lets more time go by than the feed waits for somebody to ask. */
  forget(): void;
}

async function setup({ pollMs }: { readonly pollMs: number }): Promise<Tailed> {
  const database = await createTestDatabase();
  const db = new Database({ url: database.url, writers: 1, readers: 2, connectTimeoutMs: 10_000, onError: () => {} });
  const reads = new Map<string, number>();
  const counted =
    (how: "read" | "readByKey") => (statement: Parameters<Database["read"]>[0], values: readonly unknown[]) => {
      reads.set(statement.name, (reads.get(statement.name) ?? 0) + 1);
      return db[how](statement, values);
    };
  // The feed needs nothing but reads.
  const reading = { read: counted("read"), readByKey: counted("readByKey") } as Database;
  await withClient(database.url, (client) =>
    client.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)"),
  );
  const feed = new Feed({ db: reading, bufferedChangesMax: 1_000, pollMs, onError: () => {} });
  await feed.start();
  let ageMs = 0;
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + ageMs);
  return {
    ...{ feed, reads, url: database.url },
    commit: async () => {
      await createGraph(db, graphRows({ size: 1 }));
      feed.wake();
    },
    forget: () => {
      ageMs += 60_000;
    },
    [Symbol.asyncDispose]: async () => {
      clock.mockRestore();
      await feed.stop();
      await db.close();
      await database.drop();
    },
  };
}

const never = new AbortController().signal;
const hour = 3_600_000;

test("nothing is read per commit while nobody asks, and whoever asks then gets all of it at once", async () => {
  await using s = await setup({ pollMs: hour });
  await until("the first look is over", async () => (s.reads.get("newest_event") ?? 0) > 0);
  s.reads.clear();
  for (let n = 0; n < 20; n += 1) await s.commit();
  expect([...s.reads]).toEqual([]);
  expect(s.feed.settled).toBe(0n);

  const commits = await s.feed.next(0n, { limit: 100, waitMs: hour, signal: never });
  expect(commits.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, n) => BigInt(n + 1)));
  expect(s.reads.get("tail_events")).toBe(1);

  await s.commit();
  await s.feed.catchUp();
  expect(s.feed.settled).toBe(21n);
});

test("who waits is told of a commit, and many wake-ups are one read", async () => {
  await using s = await setup({ pollMs: hour });
  const waiting = s.feed.next(0n, { limit: 100, waitMs: hour, signal: never });
  await s.commit();
  expect((await waiting).map(({ seq }) => seq)).toEqual([1n]);

  const next = s.feed.next(1n, { limit: 100, waitMs: hour, signal: never });
  await until("the feed sleeps", async () => {
    const before = s.reads.get("tail_events");
    await new Promise((resolve) => setTimeout(resolve, 20));
    return s.reads.get("tail_events") === before;
  });
  s.reads.clear();
  for (let n = 0; n < 1_000; n += 1) s.feed.wake();
  await s.commit();
  expect((await next).map(({ seq }) => seq)).toEqual([2n]);
  expect(s.reads.get("tail_events")).toBeLessThan(5);
});

test("when nobody has asked for long it passes over what is settled, and old places are still read whole", async () => {
  await using s = await setup({ pollMs: 10 });
  for (let n = 0; n < 5; n += 1) await s.commit();
  await until("the feed is at the newest", async () => s.feed.settled === 5n);
  expect(s.reads.get("tail_events")).toBe(1);
  const read = async (after: bigint) =>
    (await s.feed.next(after, { limit: 100, waitMs: 0, signal: never })).map(({ seq }) => Number(seq));
  expect(await read(0n)).toEqual([1, 2, 3, 4, 5]);
  expect(await read(3n)).toEqual([4, 5]);
  expect(await read(5n)).toEqual([]);
});

test.each(["commit", "rollback"])("it does not pass over a number whose writer is about to %s", async (end) => {
  await using s = await setup({ pollMs: 10 });
  await s.commit();
  await until("the feed is at the newest", async () => s.feed.settled === 1n);
  await using writer = await openTransaction(s.url);
  await writer.query(`insert into event_tx (seq, commit_time, types, batch_ids, task_ids, from_statuses, to_statuses, attempts, queues, workers)
      select nextval('event_seq'), clock_timestamp(), '{5}', array[min(batch_id)], '{0}', '{1}', '{1}', '{0}', '{0}', '{0}' from batch_state`);
  for (let n = 0; n < 3; n += 1) await s.commit();
  const looks = s.reads.get("event_writers") ?? 0;
  await until("it has looked", async () => (s.reads.get("event_writers") ?? 0) > looks + 4);
  expect(s.feed.settled).toBe(1n);

  // Somebody asks while it is so, and is forgotten again.
  const waiting = new AbortController();
  const asked = s.feed.next(1n, { limit: 100, waitMs: hour, signal: waiting.signal });
  await s.commit();
  waiting.abort();
  expect(await asked).toEqual([]);
  s.forget();
  await writer.query(end);
  await until("the feed is at the newest", async () => s.feed.settled === 6n);
  const commits = await s.feed.next(1n, { limit: 100, waitMs: 0, signal: never });
  expect(commits.map(({ seq }) => Number(seq))).toEqual(end === "commit" ? [2, 3, 4, 5, 6] : [3, 4, 5, 6]);
});
