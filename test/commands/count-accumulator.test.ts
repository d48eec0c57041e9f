import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CountAccumulator, type CountFlush, type CountOutcome } from "../../src/commands/count-accumulator.ts";
import type { CountStream } from "../../src/commands/count-merge.ts";
import { CountSums, type Counts, countMax } from "../../src/domain/count-sums.ts";
import { MillpondError } from "../../src/domain/errors.ts";
import type { AddedCounts, NewCounts } from "../../src/store/counts.ts";
import { createRandom, type Random } from "../engine/random.ts";

const away = () => new MillpondError("STORE_UNAVAILABLE", "the database is away");
const tooLarge = () => new MillpondError("INVALID_FIELD", "the count is too large");

function counts(...items: readonly (readonly [id: bigint, success: bigint, failure?: bigint])[]): Counts {
  return {
    ids: BigInt64Array.from(items, ([id]) => id),
    successes: BigInt64Array.from(items, ([, success]) => success),
    failures: BigInt64Array.from(items, ([, , failure = 0n]) => failure),
  };
}

/** What the database does, as a model: the tasks below 100 exist, and those below 10 have ended. */
class ModelDatabase {
  readonly totals = new Map<bigint, bigint>();
  readonly producers = new Map<string, bigint>();
  readonly requests = new Set<string>();
  readonly written: NewCounts[] = [];

  add(counts: NewCounts): AddedCounts {
    this.written.push(counts);
    const isIn = ({ producerId, first }: NewCounts["producers"][number]) =>
      (this.producers.get(producerId) ?? 0n) >= first;
    const repeated = counts.producers.filter(isIn).map(({ producerId }) => producerId);
    const requestIds = counts.requests.map(({ requestId }) => requestId).filter((id) => this.requests.has(id));
    if (repeated.length > 0 || requestIds.length > 0) {
      const producers = new Map(repeated.map((id) => [id, this.producers.get(id) ?? 0n]));
      return { case: "repeated", producers, requestIds: new Set(requestIds) };
    }
    for (const { producerId, last } of counts.producers) this.producers.set(producerId, last);
    for (const { requestId } of counts.requests) this.requests.add(requestId);
    const refused = new Map<bigint, number>();
    for (const [n, id] of counts.ids.entries()) {
      if (id >= 100n) refused.set(id, 0);
      else if (id < 10n) refused.set(id, 6);
      else this.totals.set(id, (this.totals.get(id) ?? 0n) + (counts.successes[n] ?? 0n) + (counts.failures[n] ?? 0n));
    }
    return { case: "added", refused };
  }
}

function accumulatorOn(
  write: (counts: NewCounts) => Promise<AddedCounts>,
  bounds: { itemsMax?: number; tasksMax?: number } = {},
) {
  const flushes: CountFlush[] = [];
  const retried: unknown[] = [];
  const { itemsMax = 1_000, tasksMax = 1_000 } = bounds;
  const accumulator = new CountAccumulator({
    ...{ write, itemsMax, flush: { tasksMax, itemsMax: 10_000 }, retryMs: 0 },
    isOneToBlame: (error) => (error as MillpondError).reason !== "STORE_UNAVAILABLE",
    onFlush: (flush) => flushes.push(flush),
    onRetry: (error) => retried.push((error as Error).message),
  });
  return { accumulator, flushes, retried };
}

/** Writes that end when they are told to. */
function heldWrites(database: ModelDatabase) {
  const held: { end: (failure?: Error) => void }[] = [];
  const write = (counts: NewCounts): Promise<AddedCounts> =>
    new Promise((resolve, reject) => {
      held.push({ end: (failure) => (failure === undefined ? resolve(database.add(counts)) : reject(failure)) });
    });
  return { held, write };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const producer = (sequence: bigint, stream: CountStream = { isOver: false }, id = "p") => ({ id, sequence, stream });
const reasonOf = (promise: Promise<unknown>) => promise.then(String, (error: MillpondError) => error.message);

describe("the accumulator of counts", () => {
  test("writes what comes while a write is in flight together, each task once, and answers all with its commit", async () => {
    const database = new ModelDatabase();
    const { held, write } = heldWrites(database);
    const { accumulator, flushes } = accumulatorOn(write);
    const first = accumulator.submit({ counts: counts([20n, 1n]) });
    await settled();
    const stream = { isOver: false };
    const others = [
      accumulator.submit({ counts: counts([20n, 2n], [5n, 1n]), producer: producer(1n, stream) }),
      accumulator.submit({ counts: counts([30n, 4n], [20n, 1n, 8n]), producer: producer(2n, stream) }),
      accumulator.submit({ counts: counts([20n, 16n], [500n, 1n]) }),
    ];
    expect([held.length, accumulator.items]).toEqual([1, 7]);
    held[0]?.end();
    await first;
    await settled();
    expect(held.length).toBe(2);
    held[1]?.end();
    expect(await Promise.all(others)).toEqual(
      Array(3).fill({
        case: "added",
        refused: new Map([
          [5n, 6],
          [500n, 0],
        ]),
      }),
    );
    expect(database.written[1]).toMatchObject({
      ...{ producers: [{ producerId: "p", first: 1n, last: 2n }], ids: [5n, 20n, 30n, 500n] },
      ...{ successes: [1n, 19n, 4n, 1n], failures: [0n, 8n, 0n, 0n] },
    });
    expect(flushes).toEqual([
      { tasks: 1, items: 1, refusedItems: 0 },
      { tasks: 4, items: 6, refusedItems: 2 },
    ]);
    expect(accumulator.items).toBe(0);
  });

  test("has no room beyond its bound: calls are refused, and who waits is told when there is some", async () => {
    const { held, write } = heldWrites(new ModelDatabase());
    const { accumulator } = accumulatorOn(write, { itemsMax: 3 });
    expect(accumulator.room()).toBeUndefined();
    const first = accumulator.submit({ counts: counts([20n, 1n], [21n, 1n], [22n, 1n]) });
    let hasRoom = false;
    const room = accumulator.room()?.then(() => {
      hasRoom = true;
    });
    await expect(accumulator.submit({ counts: counts([20n, 1n]) })).rejects.toMatchObject({
      ...{ reason: "LIMIT_EXCEEDED", metadata: { limit: "3" }, retryDelayMs: 1_000 },
    });
    await settled();
    expect(hasRoom).toBe(false);
    held[0]?.end();
    await Promise.all([first, room]);
    expect(accumulator.room()).toBeUndefined();
  });

  test("writes no more tasks at once than its bound and one message's", async () => {
    const database = new ModelDatabase();
    const { accumulator } = accumulatorOn(async (counts) => database.add(counts), { tasksMax: 4 });
    const message = (from: bigint) => counts([from, 1n], [from + 1n, 1n], [from + 2n, 1n]);
    await Promise.all([20n, 30n, 40n, 50n].map((from) => accumulator.submit({ counts: message(from) })));
    expect(database.written.map(({ ids }) => ids.length)).toEqual([6, 6]);
  });

  test("keeps what streams have brought while the database is away, and fails calls", async () => {
    const database = new ModelDatabase();
    const { held, write } = heldWrites(database);
    const { accumulator, retried } = accumulatorOn(write);
    const stream = { isOver: false };
    const answers = [1n, 2n].map((n) =>
      accumulator.submit({ counts: counts([20n, n]), producer: producer(n, stream) }),
    );
    const call = reasonOf(accumulator.submit({ counts: counts([20n, 100n]) }));
    await settled();
    held[0]?.end(away());
    expect(await call).toBe("the database is away");
    answers.push(accumulator.submit({ counts: counts([20n, 4n]), producer: producer(3n, stream) }));
    for (let n = 1; n < 4; n += 1) {
      await expect.poll(() => held.length).toBe(n + 1);
      held[n]?.end(n < 3 ? away() : undefined);
    }
    expect((await Promise.all(answers)).map((answer) => answer.case)).toEqual(["added", "added", "added"]);
    expect([database.totals.get(20n), database.producers.get("p")]).toEqual([7n, 3n]);
    expect(retried).toEqual(Array(3).fill("the database is away"));
  });

  test("lets go of what a stream has brought that is over, and takes nothing more of it", async () => {
    const database = new ModelDatabase();
    const { held, write } = heldWrites(database);
    const { accumulator } = accumulatorOn(write);
    const stream = { isOver: false };
    const send = (n: bigint) => accumulator.submit({ counts: counts([20n, n]), producer: producer(n, stream) });
    const first = send(1n);
    await settled();
    const second = reasonOf(send(2n));
    accumulator.forget(stream);
    expect([await second, await reasonOf(send(3n))]).toEqual(Array(2).fill(expect.stringContaining("is over")));
    held[0]?.end();
    await first;
    expect([database.totals.get(20n), accumulator.items]).toEqual([1n, 0]);
  });

  test("refuses alone what cannot be written, for good: its number is kept", async () => {
    const database = new ModelDatabase();
    const isBad = ({ ids }: NewCounts) => ids.includes(66n);
    const { accumulator } = accumulatorOn(async (counts) => {
      if (isBad(counts)) throw tooLarge();
      return database.add(counts);
    });
    const stream = { isOver: false };
    const send = (n: bigint, id: bigint) =>
      accumulator.submit({ counts: counts([id, 1n]), producer: producer(n, stream) });
    const answers = await Promise.all([
      send(1n, 20n),
      send(2n, 66n),
      send(3n, 20n),
      accumulator.submit({ counts: counts([20n, 1n]) }),
    ]);
    expect(answers.map((answer) => (answer.case === "added" ? [...answer.refused] : answer))).toEqual([
      ...[[], [[66n, -1]], [], []],
    ]);
    expect([database.totals.get(20n), database.totals.get(66n), database.producers.get("p")]).toEqual([
      3n,
      undefined,
      3n,
    ]);
  });

  test("writes nothing of a stream behind a message that has failed", async () => {
    const database = new ModelDatabase();
    const { accumulator } = accumulatorOn(async (counts) => {
      if (counts.ids.includes(66n)) throw new Error("a defect");
      return database.add(counts);
    });
    const stream = { isOver: false };
    const send = (n: bigint, id: bigint) =>
      accumulator.submit({ counts: counts([id, 1n]), producer: producer(n, stream) });
    const [first, ...others] = await Promise.all(
      [send(1n, 20n), send(2n, 66n), send(3n, 20n), send(4n, 20n)].map(reasonOf),
    );
    expect([first, others[0]]).toEqual(["[object Object]", "a defect"]);
    expect(others.slice(1)).toEqual(Array(2).fill(expect.stringContaining("is over")));
    expect([database.totals.get(20n), database.producers.get("p")]).toEqual([1n, 1n]);
  });

  test("fails what waits when it stops, and ends after the write in flight", async () => {
    const { held, write } = heldWrites(new ModelDatabase());
    const { accumulator } = accumulatorOn(write);
    const first = accumulator.submit({ counts: counts([20n, 1n]) });
    await settled();
    const second = reasonOf(accumulator.submit({ counts: counts([20n, 1n]) }));
    const stopped = accumulator.stop();
    held[0]?.end();
    await Promise.all([first, stopped]);
    expect(await second).toContain("the server is stopping");
    await expect(accumulator.submit({ counts: counts([20n, 1n]) })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
  });
});

test("sums of counts are exact, and tell what no counter can hold", () => {
  const item = fc.tuple(fc.bigInt(1n, 5n), fc.bigInt(0n, countMax), fc.bigInt(0n, 1_000n));
  fc.assert(
    fc.property(fc.array(fc.array(item, { maxLength: 5 }), { maxLength: 5 }), (messages) => {
      const sums = new CountSums();
      for (const message of messages) sums.add(counts(...message));
      const { ids, successes, failures, beyond } = sums.columns();
      const sum = (id: bigint, place: 1 | 2) =>
        messages.flat().reduce((total, item) => (item[0] === id ? total + item[place] : total), 0n);
      expect([...ids, ...beyond].sort()).toEqual([...new Set(messages.flat().map(([id]) => id))].sort());
      for (const [n, id] of ids.entries()) expect([successes[n], failures[n]]).toEqual([sum(id, 1), sum(id, 2)]);
      for (const id of beyond) expect(sum(id, 1) > countMax || sum(id, 2) > countMax).toBe(true);
    }),
  );
});

test("of producers that reconnect at any moment, to any of two servers, whose database fails before and after commits, each message is counted once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const random = createRandom(seed);
      const database = new ModelDatabase();
      const servers = [0, 1].map(
        () => accumulatorOn((counts) => unreliableWrite(database, random, counts)).accumulator,
      );
      const sent = await Promise.all(
        ["a", "b", "c"].map((id) => produce({ id, random, servers, messages: 1 + random.below(30) })),
      );
      // What old connections have left is written, or not any more.
      await Promise.all(servers.map((server) => server.stop()));
      expect([...database.totals.values()].reduce((a, b) => a + b, 0n)).toBe(sent.reduce((a, b) => a + b, 0n));
      expect(servers.map((server) => server.items)).toEqual([0, 0]);
    }),
    { numRuns: 100 },
  );
});

async function pause(random: Random): Promise<void> {
  for (let n = random.below(4); n > 0; n -= 1) await settled();
}

async function unreliableWrite(database: ModelDatabase, random: Random, counts: NewCounts): Promise<AddedCounts> {
  await pause(random);
  if (random.chance(0.15)) throw away();
  const added = database.add(counts);
  await pause(random);
  if (random.chance(0.15)) throw away();
  return added;
}

/** A client: it sends in order, and after a broken connection sends again what was not acknowledged. Old connections may live on for a while. */
async function produce(client: {
  readonly id: string;
  readonly random: Random;
  readonly servers: readonly CountAccumulator[];
  readonly messages: number;
}): Promise<bigint> {
  const { id, random, servers, messages } = client;
  const values = Array.from({ length: messages }, () => BigInt(random.below(10)));
  let acknowledged = 0;
  const onAnswer = (sequence: number) => (outcome: CountOutcome) => {
    acknowledged = Math.max(acknowledged, sequence, outcome.case === "repeated" ? Number(outcome.last) : 0);
  };
  while (acknowledged < messages) {
    const server = servers[random.below(servers.length)] as CountAccumulator;
    const stream = { isOver: false };
    const answers: Promise<void>[] = [];
    for (let n = acknowledged; n < messages && !random.chance(0.1); n += 1) {
      const message = {
        counts: counts([20n + BigInt(random.below(5)), values[n] ?? 0n]),
        producer: producer(BigInt(n + 1), stream, id),
      };
      answers.push(server.submit(message).then(onAnswer(n + 1), () => {}));
      if (random.chance(0.3)) await pause(random);
    }
    if (random.chance(0.5)) await Promise.all(answers);
    else {
      await pause(random);
      if (random.chance(0.7)) server.forget(stream);
    }
  }
  return values.reduce((a, b) => a + b, 0n);
}
