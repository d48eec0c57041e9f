import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Event, type EventFilterSchema, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { type CutProxy, startCutProxy } from "../support/cut-proxy.ts";
import { until } from "../support/until.ts";
import { readHistory } from "./feed-history.ts";
import { changeName } from "./feed-watcher.ts";
import { executeGraph } from "./feed-writers.ts";
import { createRandom, type Random } from "./random.ts";
import { claim, createGraph, range, report, startTwoServers, type TwoServers } from "./two-servers.ts";

const minuteMs = Number(process.env.FEED_MINUTE_MS ?? 60_000);
const watchers = 50;
const writers = 4;

/** What a watcher asks for, and whether it must see an event, as a reader of the history tells. */
interface Wish {
  readonly filter: MessageInitShape<typeof EventFilterSchema>;
  readonly selects: (event: Event) => boolean;
}

function statusOf({ payload }: Event): TaskStatus | undefined {
  if (payload.case === "taskCreated") return payload.value.status;
  return payload.case === "taskStatusChanged" ? payload.value.to : undefined;
}

/** One of each kind of filter, and some of two kinds together. */
function wishes(batchId: string, taskIds: readonly string[]): Wish[] {
  const statuses = [TaskStatus.SUCCESS, TaskStatus.FAILURE];
  const hasStatus = (event: Event) => statuses.includes(statusOf(event) ?? TaskStatus.UNSPECIFIED);
  const ofBatch = (event: Event) => event.batchId === batchId;
  return [
    { filter: {}, selects: () => true },
    { filter: { batchIds: [batchId] }, selects: ofBatch },
    { filter: { kinds: ["writer 1", "shared"] }, selects: ({ kind }) => kind === "writer 1" || kind === "shared" },
    { filter: { statuses }, selects: hasStatus },
    { filter: { taskIds: [...taskIds] }, selects: ({ taskId }) => taskIds.includes(taskId) },
    { filter: { metadata: { writer: 2 } }, selects: ({ kind }) => kind === "writer 2" },
    { filter: { batchIds: [batchId], statuses }, selects: (event) => ofBatch(event) && hasStatus(event) },
  ];
}

/** A watcher whose connection breaks again and again, and what it has seen of it all. */
class Wanderer {
  readonly wish: Wish;
  readonly seen: string[] = [];
  resumes = 0;
  cursor: string;
  readonly #clients: readonly MillpondClient[];
  readonly #random: Random;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: { wish: Wish; cursor: string; clients: readonly MillpondClient[]; random: Random }) {
    this.wish = options.wish;
    this.cursor = options.cursor;
    this.#clients = options.clients;
    this.#random = options.random;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#watch().catch(() => {});
      this.resumes += 1;
      // A server that is away is not asked all the time.
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(50)));
    }
  }

  async #watch(): Promise<void> {
    const client = this.#clients[this.#random.below(this.#clients.length)] as MillpondClient;
    const leave = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, leave.signal]);
    let left = 1 + this.#random.below(200);
    try {
      const request = { filter: this.wish.filter, cursor: this.cursor };
      for await (const { message, cursor } of client.events.watchEvents(request, { signal })) {
        if (message.case === "events") this.seen.push(...message.value.events.map(changeName));
        this.cursor = cursor;
        if (--left === 0) break;
      }
    } finally {
      leave.abort();
    }
  }
}

/** Cuts the connections to one server after another, until the time is over. */
async function cutNowAndThen(proxies: readonly CutProxy[], random: Random, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await new Promise((resolve) => setTimeout(resolve, 500 + random.below(2_000)));
    const proxy = proxies[random.below(proxies.length)] as CutProxy;
    proxy.cut();
    await new Promise((resolve) => setTimeout(resolve, random.below(200)));
    proxy.mend();
  }
}

/** Adds tasks to an open batch and executes them; now and then one of those that were there from the beginning, too. */
async function workOn(s: TwoServers, batchId: string, random: Random, isOver: () => boolean): Promise<void> {
  const client = () => (random.chance(0.5) ? s.a : s.b);
  while (!isOver()) {
    const tasks = range(1 + random.below(5)).map(() => ({ name: "t", kind: "shared" }));
    await client().tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks });
    const kind = random.chance(0.1) ? "single" : "shared";
    const taken = await claim(client(), kind, 5);
    if (taken.length > 0) await report(client(), taken, random.chance(0.1) ? "failure" : "success");
    await new Promise((resolve) => setTimeout(resolve, random.below(40)));
  }
}

test("for a minute of concurrent writers on two servers, each of 50 watchers that are cut off at random sees exactly what the table tells, in its order", async () => {
  // Little is kept in memory: those that come late read the table.
  await using s = await startTwoServers({ MILLPOND_FEED_BUFFER_EVENTS: "2000" });
  await using first = await startCutProxy(portOf(s.urls[0]));
  await using second = await startCutProxy(portOf(s.urls[1]));
  const random = createRandom(Number(process.env.FEED_SEED ?? 1));
  const proxies = [first, second];
  const clients = proxies.map(({ port }) => createClient({ address: `http://127.0.0.1:${port}` }));
  const singles = await createGraph(
    s.a,
    range(30).map((n) => ({ key: `${n}`, kind: "single" })),
    { open: true },
  );
  await s.caughtUp();
  const beginning = await s.a.events.listEvents({ pageSize: 1000 });
  const choices = wishes(singles.batchId, Object.values(singles.ids).slice(0, 20));
  const all = range(watchers).map((n) => {
    const wish = choices[n % choices.length] as Wish;
    return new Wanderer({ wish, cursor: beginning.nextCursor, clients, random: createRandom(n) });
  });
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => {
    await Promise.all(all.map((watcher) => watcher.stop()));
    for (const client of clients) client.close();
  });
  const endMs = performance.now() + minuteMs;
  const isOver = () => performance.now() >= endMs;
  const execute = async (n: number): Promise<void> => {
    while (!isOver()) await executeGraph([s.a, s.b], `writer ${n}`, random, { writer: n });
  };
  await Promise.all([
    ...range(writers).map(execute),
    workOn(s, singles.batchId, random, isOver),
    cutNowAndThen(proxies, random, isOver),
  ]);

  const history = (await readHistory(s)).slice(beginning.events.length);
  const expected = new Map(choices.map((wish) => [wish, history.filter(wish.selects).map(changeName)]));
  for (const watcher of all) {
    const { length } = expected.get(watcher.wish) ?? [];
    await until(`a watcher has seen ${length} changes`, async () => watcher.seen.length >= length);
  }
  await Promise.all(all.map((watcher) => watcher.stop()));
  for (const { wish, seen, cursor, resumes } of all) {
    // Said in short: a difference of arrays of thousands takes long to print.
    expect(firstDifference(seen, expected.get(wish) ?? [])).toBeUndefined();
    expect(seen.length).toBeGreaterThan(0);
    expect(resumes).toBeGreaterThan(1);
    // Where it stopped, nothing is left, on either server.
    for (const client of [s.a, s.b])
      expect((await client.events.listEvents({ cursor, filter: wish.filter })).events).toEqual([]);
  }
  await s.a.batches.stopBatch({ batchId: singles.batchId });
  await s.finish();
});

function firstDifference(seen: readonly string[], expected: readonly string[]): object | undefined {
  const n = range(Math.max(seen.length, expected.length)).find((place) => seen[place] !== expected[place]);
  return n === undefined ? undefined : { n, seen: seen.slice(n, n + 3), expected: expected.slice(n, n + 3) };
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
