import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../support/serve-process.ts";
import { until } from "../support/until.ts";
import { type Answer, type Receiver, type ReceiverOptions, startReceiver } from "../webhooks/receiver.ts";
import { newKind, sharedServer, type TaskInit } from "./shared-server.ts";

/** So many calls of either kind to one host at once. */
const perHost = 3;
const server = sharedServer({
  MILLPOND_WEBHOOK_HOST_CONCURRENCY: String(perHost),
  MILLPOND_WEBHOOK_TIMEOUT: "10m",
});

async function receiver(answer: Answer, options: ReceiverOptions = {}): Promise<Receiver> {
  const started = await startReceiver(answer, options);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

const succeed: Answer = (response, { url }) => response.end(url.pathname === "/start" ? '{"success":{}}' : "");

/** Tasks that are started by a receiver, which also hears of their ends. */
function pushTasks(count: number, url: string): TaskInit[] {
  return Array.from({ length: count }, (_, n) => ({
    ...{ name: `${n}`, kind: newKind(), retry: { maxAttempts: 5, initialBackoff: durationFromMs(1), jitter: 0 } },
    ...{ execution: { case: "onStart", value: { url } }, startTimeout: durationFromMs(3_600_000) },
    onSuccess: [{ url: `${url}/ended` }],
  }));
}

/** Tasks of workers, whose ends a receiver hears of. */
function workerTasks(count: number, url: string, kind: string): TaskInit[] {
  return Array.from({ length: count }, (_, n) => ({ name: `${n}`, kind, onSuccess: [{ url: `${url}/ended` }] }));
}

async function create(tasks: TaskInit[]): Promise<string> {
  const { batch } = await server.client.tasks.createTasks({ tasks });
  return batch?.batchId ?? "";
}

const countAt = ({ calls }: Receiver, path: string): number => calls.filter(({ url }) => url.pathname === path).length;

/** What each start and each delivery is called by, each once. */
function idsOf({ calls }: Receiver): string[] {
  return calls.map(({ headers }) => `${headers["webhook-id"]}`);
}

test("a receiver that stalls holds up its own calls only, and gets all of them when it goes on", async () => {
  const held: (() => void)[] = [];
  let isStalled = true;
  const stalled = await receiver((...call) => {
    if (isStalled) held.push(() => succeed(...call));
    else succeed(...call);
  });
  const kind = newKind();
  const batchId = await create([...pushTasks(20, stalled.url), ...workerTasks(20, stalled.url, kind)]);
  await server.succeed(...(await server.claim(kind, { max: 20 })));
  await until("the receiver stalls", () => held.length === 2 * perHost);

  const others = await Promise.all([1, 2, 3].map(() => receiver(succeed)));
  const ended = await Promise.all(others.map(({ url }) => create(pushTasks(40, url))));
  for (const [n, other] of others.entries()) {
    await until("the other receivers have all of their calls", () => other.calls.length === 80);
    expect([countAt(other, "/start"), countAt(other, "/start/ended")]).toEqual([40, 40]);
    expect(new Set(idsOf(other)).size).toBe(80);
    expect(await server.stats(ended[n] ?? "")).toEqual({ SUCCESS: 40 });
  }
  expect([held.length, stalled.calls.length]).toEqual([2 * perHost, 2 * perHost]);
  expect(await server.stats(batchId)).toEqual({ SUCCESS: 20, CLAIMED: perHost, PENDING: 20 - perHost });

  isStalled = false;
  for (const answer of held) answer();
  await until("the receiver has all of its calls", () => stalled.calls.length === 60);
  await until("all of its tasks have ended", async () => (await server.stats(batchId)).SUCCESS === 40);
  expect(new Set(idsOf(stalled)).size).toBe(60);
});

/** A host that is down. */
interface DownHost {
  readonly url: string;
  /** How often it was tried, where it can tell. */
  readonly tries?: () => number;
  comeBack(): Promise<Receiver>;
}

const downHosts: Readonly<Record<string, () => Promise<DownHost>>> = {
  "refuses connections": async () => {
    const port = await freePort();
    return { url: `http://127.0.0.1:${port}/start`, comeBack: () => receiver(succeed, { port }) };
  },
  "hangs up": async () => {
    let isDown = true;
    const target = await receiver((...call) => {
      if (isDown) call[2].destroy();
      else succeed(...call);
    });
    const comeBack = async (): Promise<Receiver> => {
      isDown = false;
      target.calls.length = 0;
      return target;
    };
    return { url: target.url, tries: () => target.calls.length, comeBack };
  },
};

/**
 * Five calls in a row open a breaker, while as many others may be under way as there are places; then one at a time tries, ever less often. How many
 * have done so depends on how long the test takes; everything else would have been tried at once.
 */
const triesMax = 30;

test.each(Object.keys(downHosts))(
  "what a host that %s is to be called for waits and uses up no attempts, and arrives when it is back",
  async (how) => {
    const host = (await downHosts[how]?.()) as DownHost;
    const openedBefore = await metric("millpond_webhook_hosts_unreached_total");
    const kind = newKind();
    const batchId = await create([...pushTasks(30, host.url), ...workerTasks(30, host.url, kind)]);
    await server.succeed(...(await server.claim(kind, { max: 30 })));
    await until("the host is left alone", async () => (await metric("millpond_webhook_hosts_unreached")) === 1);
    expect(await metric("millpond_webhook_hosts_unreached_total")).toBe(openedBefore + 1);

    const other = await receiver(succeed);
    const otherBatch = await create(pushTasks(20, other.url));
    await until("another receiver has all of its calls", () => other.calls.length === 40);
    expect(await server.stats(otherBatch)).toEqual({ SUCCESS: 20 });
    const used = await attemptsUsed(batchId);
    expect(used.tries).toBeLessThanOrEqual(triesMax);
    expect(used.untried).toBeGreaterThanOrEqual(60 - triesMax);
    if (host.tries !== undefined) {
      const tries = host.tries;
      await until("each try has used up one attempt", async () => (await attemptsUsed(batchId)).tries === tries());
    }

    const target = await host.comeBack();
    await until("the receiver has all of its calls", () => target.calls.length === 90);
    await until("all has been delivered", async () => (await pending(batchId)) === 0);
    expect([countAt(target, "/start"), countAt(target, "/start/ended")]).toEqual([30, 60]);
    expect(new Set(idsOf(target)).size).toBe(90);
    expect(await server.stats(batchId)).toEqual({ SUCCESS: 60 });
    expect(await metric("millpond_webhook_hosts_unreached")).toBe(0);
    expect(await metric("millpond_webhook_hosts_unreached_total")).toBe(openedBefore + 1);
  },
);

/** The attempts of a batch's start calls and deliveries, and how many of them have had none. */
async function attemptsUsed(batchId: string): Promise<{ readonly tries: number; readonly untried: number }> {
  const { tasks } = await server.client.tasks.listTasks({ batchId, pageSize: 1000 });
  const { deliveries } = await server.client.deliveries.listDeliveries({ batchId, pageSize: 1000 });
  const pushed = tasks.filter(({ execution }) => execution.case === "onStart");
  const attempts = [...pushed.map(({ attempt }) => attempt), ...deliveries.map(({ attemptCount }) => attemptCount)];
  expect(attempts).toHaveLength(60);
  return {
    tries: attempts.reduce((sum, attempt) => sum + attempt, 0),
    untried: attempts.filter((attempt) => attempt === 0).length,
  };
}

async function pending(batchId: string): Promise<number> {
  const filter = { batchId, states: [DeliveryState.PENDING, DeliveryState.EXHAUSTED] };
  return (await server.client.deliveries.listDeliveries(filter)).deliveries.length;
}

/** What a metric of the server shows. */
async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const value = new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`there is no metric ${name}`);
  return Number(value);
}
