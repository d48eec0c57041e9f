import { expect, test } from "vitest";
import type { FeedEvent } from "../../src/domain/feed-event.ts";
import { type Cursor, cursorAfter } from "../../src/events/cursor.ts";
import { selectionOf } from "../../src/events/selection.ts";
import { type HubMember, WatchHub } from "../../src/events/watch-hub.ts";
import { placeIn, type WatchItem } from "../../src/events/watch-item.ts";
import type { CommitRow } from "../../src/store/events.ts";
import { createRandom } from "../engine/random.ts";
import { until } from "../support/until.ts";

const everything = {
  ...{ batchIds: new Set<bigint>(), taskIds: new Set<bigint>(), kinds: new Set<string>() },
  ...{ statuses: new Set<number>(), metadata: undefined },
};
const ofBatch = (batchId: bigint) => selectionOf({ ...everything, batchIds: new Set([batchId]) });

/** A feed of commits that are given to it, and a hub that reads it; selections are counted. */
function setup({ eventsPerStep = 1000, checkpointMs = 3_600_000 } = {}) {
  const commits: CommitRow[] = [];
  let wake = () => {};
  let steps = 0;
  const feed = {
    settled: 0n,
    stopped: false,
    next: async (after: bigint, { limit, waitMs }: { limit: number; waitMs: number }) => {
      const found = () => commits.filter(({ seq }) => seq > after).slice(0, limit);
      if (found().length === 0)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, waitMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      return found();
    },
  };
  const selections = {
    step: async (_: unknown, commit: CommitRow, from: number) => {
      steps += 1;
      await Promise.resolve();
      const next = Math.min(from + eventsPerStep, commit.types.length);
      const events = commit.types
        .slice(from, next)
        .map((_type, n) => ({ seq: commit.seq, index: from + n }) as FeedEvent);
      const more = next < commit.types.length;
      return { item: { case: "events" as const, cursor: placeIn(commit, next), events, more }, next };
    },
  };
  const dictionaries = { queue: async () => ({ kind: "k" }) as never };
  const hub = new WatchHub({ feed, selections, dictionaries, checkpointMs });
  const commit = (batchId: bigint, changes = 1): bigint => {
    const seq = BigInt(commits.length + 1);
    const all = <Item>(item: Item) => Array.from({ length: changes }, () => item);
    commits.push({ seq, types: all(2), batch_ids: all(batchId), task_ids: all(1n), queues: all(1) } as never);
    feed.settled = seq;
    wake();
    return seq;
  };
  const stop = () => {
    feed.stopped = true;
    wake();
  };
  return { hub, commit, stop, commits, steps: () => steps };
}

/** A sink that keeps what it is given. */
function collector() {
  const writes: (readonly WatchItem[])[] = [];
  const write = (items: readonly WatchItem[]): boolean => writes.push(items) > 0;
  return { writes, sink: { write, ready: async () => {} } };
}

function join(hub: WatchHub, member: HubMember, seq: bigint) {
  return hub.join(member, seq).then((joined) => {
    if (joined === undefined) throw new Error(`could not join at ${seq}`);
    return joined;
  });
}

test("equal filters get the very same objects, selected once; watchers of other batches are neither asked about nor written to", async () => {
  const { hub, commit, stop, steps } = setup();
  const same = [collector(), collector(), collector()];
  for (const { sink } of same) await join(hub, { sink, selection: ofBatch(1n) }, 0n);
  const others = Array.from({ length: 50 }, () => collector());
  for (const [n, { sink }] of others.entries()) await join(hub, { sink, selection: ofBatch(BigInt(n + 2)) }, 0n);
  for (let n = 0; n < 5; n += 1) commit(1n);
  await until("all is written", () => same.every(({ writes }) => writes.flat().length === 5));
  expect(same[1]?.writes[0]).toBe(same[0]?.writes[0]);
  expect(same[2]?.writes.flat()[4]).toBe(same[0]?.writes.flat()[4]);
  expect(others.flatMap(({ writes }) => writes)).toEqual([]);
  expect(steps()).toBe(5);
  stop();
});

test("who has heard nothing is told the place, and who left without having been written to is where the hub is", async () => {
  const { hub, commit, stop } = setup({ checkpointMs: 0 });
  const { writes, sink } = collector();
  const joined = await join(hub, { sink, selection: ofBatch(1n) }, 0n);
  const last = commit(2n);
  const isTold = (item: WatchItem) => item.case === "checkpoint" && item.cursor.seq === last;
  await until("the place is told", () => writes.flat().some(isTold));
  expect(writes.flat().filter((item) => item.case === "events")).toEqual([]);
  joined.leave();
  expect(await joined.left).toEqual(cursorAfter(last));
  stop();
});

test("whoever joins, falls behind, leaves and comes back at any moment is told each change once, in order", async () => {
  const { hub, commit, stop, commits } = setup({ eventsPerStep: 3_000 });
  const random = createRandom(7);
  let isWriting = true;
  const watch = async (batchId: bigint): Promise<string[]> => {
    const seen: string[] = [];
    const take = (items: readonly WatchItem[]) => {
      for (const item of items)
        if (item.case === "events") seen.push(...item.events.map(({ seq, index }) => `${seq} ${index}`));
    };
    let cursor: Cursor = cursorAfter(0n);
    for (;;) {
      // On its own: whole commits, and the rest of one that it left between two messages.
      for (const { seq, types, batch_ids } of commits.filter(({ seq }) => seq > cursor.seq)) {
        if (batch_ids[0] === batchId) for (let n = cursor.index; n < types.length; n += 1) seen.push(`${seq} ${n}`);
        cursor = cursorAfter(seq);
        if (random.chance(0.2)) await new Promise((resolve) => setImmediate(resolve));
      }
      if (!isWriting && cursor.seq === BigInt(commits.length)) return seen;
      const write = (items: readonly WatchItem[]): boolean => {
        take(items);
        return !random.chance(0.2);
      };
      const joined = await hub.join(
        { sink: { write, ready: async () => {} }, selection: ofBatch(batchId) },
        cursor.seq,
      );
      if (joined === undefined) continue;
      const timer = setTimeout(() => joined.leave(), random.below(20));
      cursor = await joined.left;
      clearTimeout(timer);
    }
  };
  const watchers = Array.from({ length: 40 }, (_, n) => ({ batchId: BigInt(n % 3), seen: watch(BigInt(n % 3)) }));
  for (let n = 0; n < 400; n += 1) {
    commit(BigInt(random.below(3)), random.chance(0.03) ? 7_000 : 1 + random.below(5));
    if (random.chance(0.5)) await new Promise((resolve) => setImmediate(resolve));
  }
  isWriting = false;
  for (const { batchId, seen } of watchers) {
    const expected = commits
      .filter(({ batch_ids }) => batch_ids[0] === batchId)
      .flatMap(({ seq, types }) => types.map((_, n) => `${seq} ${n}`));
    expect(await seen).toEqual(expected);
  }
  expect(hub.size).toBe(0);
  stop();
});
