import { setTimeout as delay } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createGraph, type Event, type MillpondClient, type TaskGraph, uploadTasks } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";

const taskCount = 120_000;
const layerSize = 1_000;
const requestId = "the large one";

/** Layers of tasks, each of which depends on up to three of the layer before; listed from the last layer to the first. */
function layeredGraph(): TaskGraph {
  const graph = createGraph({ name: "large", metadata: { purpose: "upload" } });
  for (let n = taskCount - 1; n >= 0; n -= 1) {
    const layer = Math.floor(n / layerSize);
    const parents = [0, 1, 7].map((shift) => (layer - 1) * layerSize + ((n + shift) % layerSize));
    graph.task(`t${n}`, {
      ...{
        kind: `layer-${layer % 5}`,
        name: `Task ${n} of layer ${layer}`,
        metadata: { layer, sample: `s${n % 100}` },
      },
      after: layer === 0 ? [] : parents.map((parent) => `t${parent}`),
    });
  }
  return graph;
}

/** Everything of the batch that a client sees at some moment. */
interface Sight {
  readonly listed: bigint | undefined;
  readonly tasks: number;
}

async function look(client: MillpondClient): Promise<Sight> {
  const { batches } = await client.batches.listBatches({});
  const { tasks } = await client.tasks.listTasks({ pageSize: 1 });
  return { listed: batches[0]?.stats?.total, tasks: tasks.length };
}

/** The events of the feed from a cursor on, page by page, to its end. */
async function readPages(client: MillpondClient, from: string): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor = from; ; ) {
    const page = await client.events.listEvents({ cursor, pageSize: 1000 });
    if (page.events.length === 0) return events;
    events.push(...page.events);
    cursor = page.nextCursor;
  }
}

test("120,000 tasks come in 24 parts and are seen by nobody, then by everybody at once", async () => {
  await using s = await setup({ MILLPOND_SNAPSHOT_TASKS_MAX: String(taskCount) });
  const { client: other } = await s.another();
  const { nextCursor: start } = await other.events.listEvents({});
  const watching = new AbortController();
  const messages: { events: number; more: boolean }[] = [];
  const watched = (async () => {
    for await (const { message } of other.events.watchEvents({ cursor: start }, { signal: watching.signal })) {
      if (message.case !== "events") continue;
      messages.push({ events: message.value.events.length, more: message.value.more });
      if (!message.value.more) return;
    }
  })();

  const sights: Sight[] = [];
  const uploading = { over: false };
  const uploaded = uploadTasks(s.client, layeredGraph(), { requestId }).finally(() => {
    uploading.over = true;
  });
  const polling = (async () => {
    for (; !uploading.over; await delay(20)) sights.push(await look(other));
  })();
  const { batch, createdCount, deduplicatedCount } = await uploaded;
  await polling;
  expect({ createdCount, deduplicatedCount, total: batch?.stats?.total }).toEqual({
    ...{ createdCount: BigInt(taskCount), deduplicatedCount: 0n, total: BigInt(taskCount) },
  });

  // Each look was before the commit or after it; a list of tasks that follows may see more than the list of batches before it.
  expect(sights.length).toBeGreaterThan(1);
  expect(sights[0]).toEqual({ listed: undefined, tasks: 0 });
  for (const { listed } of sights) expect([undefined, BigInt(taskCount)]).toContain(listed);
  for (const { listed, tasks } of sights) if (listed !== undefined) expect(tasks).toBe(1);
  expect(await look(other)).toEqual({ listed: BigInt(taskCount), tasks: 1 });
  const byStatus = (await other.batches.getBatch({ batchId: batch?.batchId ?? "" })).batch?.stats?.byStatus;
  expect(byStatus).toMatchObject({ PENDING: BigInt(layerSize), WAITING: BigInt(taskCount - layerSize) });

  // A watcher got it as one commit: every message but the last said that more of it follows.
  await watched;
  expect(messages.reduce((sum, { events }) => sum + events, 0)).toBe(taskCount + 1);
  expect(messages.map(({ more }) => more)).toEqual(messages.map((_, n) => n < messages.length - 1));
  expect(Math.max(...messages.map(({ events }) => events))).toBeLessThanOrEqual(1000);

  // What was uploaded works, while one client reads the whole commit in pages and another takes a snapshot.
  const working = async (): Promise<void> => {
    for (let n = 0; n < 5; n += 1) {
      const request = { workerId: "w", kinds: ["layer-0"], maxTasks: 100, waitTimeout: durationFromMs(10_000) };
      const { assignments } = await other.workers.claimTasks(request);
      expect(assignments).toHaveLength(100);
      const { results } = await other.tasks.reportTasks({
        reports: assignments.map(({ task, attempt }) => ({
          ...{ taskId: task?.taskId ?? "", attempt, report: { case: "success" as const, value: {} } },
        })),
      });
      for (const { result } of results) expect(result.case).toBe("task");
    }
  };
  const [pages, snapshot] = await Promise.all([readPages(s.client, start), snapshotSize(other, batch), working()]);
  const createdIds = pages.filter(({ payload }) => payload.case === "taskCreated").map(({ taskId }) => taskId);
  expect(new Set(createdIds).size).toBe(taskCount);
  expect(createdIds).toHaveLength(taskCount);
  expect(snapshot).toBe(taskCount);

  const again = await uploadTasks(other, layeredGraph(), { requestId });
  expect([again.batch?.batchId, again.createdCount]).toEqual([batch?.batchId, BigInt(taskCount)]);
  await until("what 500 tasks freed can be claimed", async () => {
    const { batch: now } = await other.batches.getBatch({ batchId: batch?.batchId ?? "" });
    return now?.stats?.byStatus?.SUCCESS === 500n;
  });
  // The laws are plain joins over tables that have just been filled: their plans need to know how large these are.
  await withClient(s.database.url, (client) => client.query("analyze"));
  await checkInvariants(s.database.url);
});

async function snapshotSize(client: MillpondClient, batch: { readonly batchId: string } | undefined): Promise<number> {
  let size = 0;
  const filter = { batchIds: [batch?.batchId ?? ""] };
  for await (const { message } of client.events.watchEvents({ filter, snapshot: true })) {
    if (message.case === "snapshot") size += message.value.tasks.length;
    if (message.case === "snapshotDone") break;
  }
  return size;
}
