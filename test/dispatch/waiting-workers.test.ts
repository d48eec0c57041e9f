import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ClaimedTask, type Look, WaitingWorkers } from "../../src/dispatch/waiting-workers.ts";
import type { StartedTask } from "../../src/domain/places.ts";
import { Execution } from "../../src/domain/task-status.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const queue = (id: number, kind: string, labels: Record<string, string> = {}, execution = Execution.WORKER as number) =>
  ({ id, namespaceId: 1, kind, labels, execution }) as const;

/** A claim that was made: its answer, and whether it is there yet. */
interface Claim {
  readonly answer: Promise<readonly ClaimedTask[]>;
  readonly isAnswered: () => Promise<boolean>;
  readonly leave: () => void;
}

/** A line of workers over queues 1 (kind a), 2 (kind b) and 3 (kind c). */
function newLine(waitersMax = 100) {
  const queues = [queue(1, "a"), queue(2, "b"), queue(3, "c")];
  const released: ClaimedTask[][] = [];
  const handedOut: [string, number][] = [];
  const workers = new WaitingWorkers({
    dictionaries: {
      queuesOfKinds: (_namespace: number, kinds: readonly string[]) =>
        kinds.flatMap((kind) => queues.filter((each) => each.kind === kind)) as never,
      get queueCount() {
        return queues.length;
      },
    },
    ...{ namespaceId: 1, waitersMax, onChange: () => {} },
    release: async (tasks) => {
      released.push(tasks.map(({ id, attempt }) => ({ id, attempt })));
    },
    onHandOut: (from, tasks) => handedOut.push([from, tasks]),
  });
  const claim = (
    worker: number,
    kinds: string[],
    { max = 1, waitMs = 60_000, labels = {} }: { max?: number; waitMs?: number; labels?: Record<string, string> } = {},
  ): Claim => {
    const controller = new AbortController();
    const { signal } = controller;
    const answer = workers.claim({ ...{ worker, kinds, labels, max, waitMs, signal }, leaseMs: 1_000 });
    let isThere = false;
    void answer.then(
      () => {
        isThere = true;
      },
      () => {},
    );
    return {
      answer,
      isAnswered: async () => {
        await vi.advanceTimersByTimeAsync(0);
        return isThere;
      },
      leave: () => controller.abort(),
    };
  };
  return {
    ...{ workers, queues, released, handedOut, claim },
    /** A claim whose first look has found nothing. */
    waiting: (...args: Parameters<typeof claim>): Claim => {
      const made = claim(...args);
      workers.nextLook()?.settle([], false);
      return made;
    },
  };
}

const started = (...places: number[]): StartedTask[] =>
  places.map((place) => ({ id: BigInt(100 + place), attempt: 1, place }));

const idsOf = async ({ answer }: Claim): Promise<number[]> => (await answer).map(({ id }) => Number(id));

function theLook(line: ReturnType<typeof newLine>): Look {
  const look = line.workers.nextLook();
  if (look === undefined) throw new Error("nobody has a reason to look");
  return look;
}

function theReservation(line: ReturnType<typeof newLine>, max = 100, queues?: ReadonlySet<number>) {
  const reservation = line.workers.reserve(queues === undefined ? { max } : { max, queues });
  if (reservation === undefined) throw new Error("nobody has a place");
  return reservation;
}

test("a look hands each task to the worker whose place it took, in the order of the places", async () => {
  const line = newLine();
  const [first, second, third] = [line.claim(7, ["a"]), line.claim(8, ["a"], { max: 3 }), line.claim(9, ["a"])];
  const look = theLook(line);
  expect(look.queues).toEqual([1]);
  expect(look.places.map(({ worker }) => worker)).toEqual([7, 8, 8, 8, 9]);
  look.settle(started(3, 0, 1), true);
  expect([await idsOf(first), await idsOf(second)]).toEqual([[100], [101, 103]]);
  expect([await third.isAnswered(), line.workers.size]).toEqual([false, 1]);
  expect(line.handedOut).toEqual([["queue", 3]]);
});

test("a look and a reservation have a thousand places at most, of one worker or of several", async () => {
  const line = newLine();
  line.claim(7, ["a"], { max: 300 });
  line.claim(8, ["a"], { max: 2_500 });
  line.claim(9, ["a"], { max: 5 });
  const look = theLook(line);
  expect([look.places.length, look.places.filter(({ worker }) => worker === 8).length]).toEqual([1_000, 700]);
  // Of the second, 1,800 more places are there, but it takes part in a look.
  expect(theLook(line).places.map(({ worker }) => worker)).toEqual([9, 9, 9, 9, 9]);
  const other = newLine();
  other.waiting(7, ["a"], { max: 2_500 });
  const { pools } = theReservation(other, 5_000);
  expect(pools.map(({ places }) => places.length)).toEqual([1_000]);
});

test("a reservation hands each task to the worker whose place it took, pool after pool", async () => {
  const line = newLine();
  const claims = [
    line.waiting(7, ["a"], { max: 2 }),
    line.waiting(8, ["b"]),
    line.waiting(9, ["a"]),
    line.waiting(5, ["c"]),
  ];
  const reservation = theReservation(line);
  expect(
    reservation.pools.map(({ queues, places }) => ({ queues, workers: places.map(({ worker }) => worker) })),
  ).toEqual([
    { queues: [1], workers: [7, 7, 9] },
    { queues: [2], workers: [8] },
    { queues: [3], workers: [5] },
  ]);
  reservation.settle(started(3, 2, 1));
  expect(await Promise.all(claims.slice(0, 3).map(idsOf))).toEqual([[101], [103], [102]]);
  expect(await claims[3]?.isAnswered()).toBe(false);
  expect(line.handedOut).toContainEqual(["commit", 3]);
});

test("no queue is in two pools of a reservation", () => {
  const line = newLine();
  line.waiting(7, ["a", "b"]);
  line.waiting(8, ["b", "c"]);
  line.waiting(9, ["b"]);
  expect(theReservation(line).pools.map(({ queues }) => queues)).toEqual([[1, 2], [3]]);
  // The third had no queue left: it is free for another transaction.
  expect(theReservation(line).pools.map(({ places }) => places.map(({ worker }) => worker))).toEqual([[9]]);
});

test("a reservation takes no more workers than are wanted, and only of the queues that are", () => {
  const line = newLine();
  for (const worker of [7, 8, 9]) line.waiting(worker, ["a"]);
  line.waiting(5, ["b"]);
  expect(line.workers.reserve({ max: 9, queues: new Set([3]) })).toBeUndefined();
  expect(theReservation(line, 9, new Set([2])).pools).toEqual([
    { queues: [2], places: [{ worker: 5, leaseMs: 1_000 }] },
  ]);
  expect(theReservation(line, 2).pools[0]?.places.map(({ worker }) => worker)).toEqual([7, 8]);
});

test("a worker is in one look or reservation at a time", () => {
  const line = newLine();
  line.claim(7, ["a"]);
  const look = theLook(line);
  line.workers.mark([1]);
  expect([line.workers.nextLook(), line.workers.reserve({ max: 9 })]).toEqual([undefined, undefined]);
  look.settle([], false);
  theLook(line).settle([], false);
  const reservation = theReservation(line);
  line.workers.mark([1]);
  expect([line.workers.nextLook(), line.workers.reserve({ max: 9 })]).toEqual([undefined, undefined]);
  reservation.settle([]);
  expect(theLook(line).queues).toEqual([1]);
});

test("who has not looked yet, or for whose queues there is a mark, is not reserved", () => {
  const line = newLine();
  line.claim(7, ["a"]);
  expect(line.workers.reserve({ max: 9 })).toBeUndefined();
  theLook(line).settle([], false);
  line.waiting(8, ["b"]);
  line.workers.mark([1]);
  expect(theReservation(line).pools.map(({ queues }) => queues)).toEqual([[2]]);
  theLook(line).settle([], false);
  expect(theReservation(line).pools.map(({ queues }) => queues)).toEqual([[1]]);
});

test("nobody needs to look into a queue in which a look found nothing, but who does not wait looks all the same", () => {
  const line = newLine();
  line.waiting(7, ["a"]);
  line.claim(8, ["a"]);
  expect(line.workers.nextLook()).toBeUndefined();
  expect(theReservation(line).pools[0]?.places.map(({ worker }) => worker)).toEqual([7, 8]);
  line.claim(9, ["a"], { waitMs: 0 });
  expect(theLook(line).places.map(({ worker }) => worker)).toEqual([9]);
  // Of one of its queues nothing is known.
  line.claim(5, ["a", "b"]);
  expect(theLook(line).queues).toEqual([1, 2]);
});

test.each([
  ["a mark of the queue", (workers: WaitingWorkers) => workers.mark([1])],
  ["a mark of all queues", (workers: WaitingWorkers) => workers.mark(undefined)],
  ["a doubt", (workers: WaitingWorkers) => workers.doubt()],
])("after %s who comes looks, even if nobody waited then", async (_, undo) => {
  const line = newLine();
  const first = line.waiting(7, ["a"]);
  const second = line.claim(8, ["a"]);
  expect(line.workers.nextLook()).toBeUndefined();
  first.leave();
  second.leave();
  expect([await idsOf(first), await idsOf(second), line.workers.size]).toEqual([[], [], 0]);
  undo(line.workers);
  line.claim(9, ["a"]);
  expect(theLook(line).places.map(({ worker }) => worker)).toEqual([9]);
});

test("a mark lets those look who wait for the queue, one of all queues everybody", () => {
  const line = newLine();
  line.waiting(7, ["a"]);
  line.waiting(8, ["b"]);
  line.workers.mark([2]);
  const look = theLook(line);
  expect([look.queues, line.workers.nextLook()]).toEqual([[2], undefined]);
  look.settle([], false);
  line.workers.mark(undefined);
  expect([theLook(line).queues, theLook(line).queues, line.workers.nextLook()]).toEqual([[1], [2], undefined]);
});

test("a mark that comes during a look stays, and so does what a full look leaves", () => {
  const line = newLine();
  line.claim(7, ["a"], { max: 1 });
  const look = theLook(line);
  line.workers.mark([1]);
  expect(line.workers.nextLook()).toBeUndefined();
  look.settle([], false);
  theLook(line).settle([], true);
  theLook(line).settle([], false);
  expect(line.workers.nextLook()).toBeUndefined();
});

test("a mark that comes during a look keeps the queue from counting as empty", async () => {
  const line = newLine();
  line.claim(7, ["a"]);
  const look = theLook(line);
  line.workers.mark([1]);
  look.settle(started(0), false);
  // Nobody is left to look for the mark: it is forgotten.
  expect(line.workers.nextLook()).toBeUndefined();
  line.claim(8, ["a"]);
  expect(theLook(line).places.map(({ worker }) => worker)).toEqual([8]);
});

test("a look that is to be repeated is made again, with the queues that are known by then", () => {
  const line = newLine();
  line.claim(7, ["new"]);
  const look = theLook(line);
  expect(look.queues).toEqual([]);
  line.queues.push(queue(4, "new"));
  look.repeat();
  expect(theLook(line).queues).toEqual([4]);
});

test("a look that fails fails the claims that were in it, and no others", async () => {
  const line = newLine();
  const waiting = line.waiting(8, ["b"]);
  const claim = line.claim(7, ["a"]);
  theLook(line).fail(new Error("no database"));
  await expect(claim.answer).rejects.toThrow("no database");
  expect([await waiting.isAnswered(), line.workers.size]).toEqual([false, 1]);
});

test("what was started for a worker that has gone meanwhile is given back, and its claim is answered with nothing", async () => {
  const line = newLine();
  const [gone, stays] = [line.claim(7, ["a"]), line.claim(8, ["a"])];
  const look = theLook(line);
  gone.leave();
  look.settle(started(0, 1), false);
  expect([await idsOf(gone), await idsOf(stays)]).toEqual([[], [101]]);
  const reserved = line.waiting(9, ["a"]);
  const reservation = theReservation(line);
  reserved.leave();
  reservation.settle(started(0));
  expect(await idsOf(reserved)).toEqual([]);
  expect(line.released).toEqual([[{ id: 100n, attempt: 1 }], [{ id: 100n, attempt: 1 }]]);
  expect(line.workers.size).toBe(0);
});

test("a kind that is given twice counts once", () => {
  const line = newLine();
  line.claim(7, ["a", "b", "a"]);
  const look = theLook(line);
  expect([...look.queues].sort()).toEqual([1, 2]);
  look.settle([], false);
  expect(theReservation(line).pools.map(({ queues }) => [...queues].sort())).toEqual([[1, 2]]);
});

test("a worker takes from the queues alone that workers serve and whose labels it has", () => {
  const line = newLine();
  line.queues.push(queue(4, "a", { gpu: "a" }), queue(5, "a", { gpu: "b" }), queue(6, "a", {}, Execution.WEBHOOK));
  line.claim(7, ["a"], { labels: { gpu: "a", zone: "1" } });
  expect(theLook(line).queues).toEqual([1, 4]);
  expect([...line.workers.queues()]).toEqual([1, 4]);
});

test("workers that a transaction keeps too long are in line again, and what it starts for them is given back", async () => {
  const line = newLine();
  const claim = line.waiting(7, ["a"]);
  const slow = theReservation(line);
  line.workers.mark([1]);
  await vi.advanceTimersByTimeAsync(50);
  expect(line.workers.nextLook()).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1_000);
  const look = theLook(line);
  slow.settle(started(0));
  expect([line.released, await claim.isAnswered()]).toEqual([[[{ id: 100n, attempt: 1 }]], false]);
  look.settle([{ id: 5n, attempt: 2, place: 0 }], false);
  expect(await idsOf(claim)).toEqual([5]);
  expect(line.handedOut.filter(([from]) => from === "commit")).toEqual([]);
});

test("a transaction that ends in time keeps its workers from nothing", async () => {
  const line = newLine();
  const claim = line.waiting(7, ["a"]);
  theReservation(line).settle([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await claim.isAnswered()).toBe(false);
  theReservation(line).settle(started(0));
  expect([await idsOf(claim), line.released]).toEqual([[100], []]);
});

test("who is lent when its time to wait ends gets what the transaction starts, or nothing as soon as it is back", async () => {
  const line = newLine();
  const [lucky, unlucky, kept] = [["a"], ["b"], ["c"]].map((kinds, n) => line.waiting(n, kinds, { waitMs: 50 }));
  const reservation = theReservation(line, 2);
  theReservation(line);
  await vi.advanceTimersByTimeAsync(60);
  expect([await lucky?.isAnswered(), await unlucky?.isAnswered(), await kept?.isAnswered()]).toEqual([
    ...[false, false, false],
  ]);
  expect(line.workers.reserve({ max: 9 })).toBeUndefined();
  reservation.settle(started(0));
  expect([await idsOf(lucky as Claim), await idsOf(unlucky as Claim)]).toEqual([[100], []]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await idsOf(kept as Claim)).toEqual([]);
});

test("time to wait does not end before the first look", async () => {
  const line = newLine();
  const [one, two] = [line.claim(7, ["a"], { waitMs: 0 }), line.claim(8, ["b"], { waitMs: 0 })];
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await one.isAnswered()).toBe(false);
  theLook(line).settle(started(0), false);
  theLook(line).settle([], false);
  expect([await idsOf(one), await idsOf(two)]).toEqual([[100], []]);
});

test("too many workers are refused, and a line that stops lets all go", async () => {
  const line = newLine(2);
  const [waits, looks] = [line.waiting(7, ["a"]), line.claim(8, ["b"])];
  await expect(line.claim(9, ["a"]).answer).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  const look = theLook(line);
  line.workers.stop();
  expect([await idsOf(waits), await looks.isAnswered()]).toEqual([[], false]);
  look.settle(started(0), false);
  expect([await idsOf(looks), await idsOf(line.claim(9, ["a"]))]).toEqual([[100], []]);
});
