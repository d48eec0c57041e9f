import type { Event } from "@millpond/sdk";
import { beforeAll, describe, expect, test } from "vitest";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";

/** More than one call of ListEvents looks at, several times. */
const foreignCommits = 250_000;
let s: Setup;
let beginning: string;
const rare: { batchId: string; taskId: string }[] = [];

async function createRare(): Promise<void> {
  const metadata = { color: "red" };
  const { batch, tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "rare", kind: "rare", metadata }] });
  rare.push({ batchId: batch?.batchId ?? "", taskId: tasks[0]?.taskId ?? "" });
}

/** Commits of others: with tasks and batches that do not exist any more. */
const fill = () =>
  withClient(s.database.url, (client) =>
    client.query(`insert into event_tx select nextval('event_seq'), now(), '{2}', array[n], array[n], '{2}', '{4}', '{1}', array[(select min(id) from queue)], '{0}'
      from generate_series(1, ${foreignCommits}) n`),
  );

beforeAll(async () => {
  s = await setup();
  await s.client.tasks.createTasks({ tasks: [{ name: "t", kind: "other" }] });
  beginning = (await s.client.events.listEvents({ pageSize: 1000 })).nextCursor;
  await createRare();
  await fill();
  await createRare();
  return () => s[Symbol.asyncDispose]();
}, 120_000);

/** What selects the creations of the rare tasks, and nothing else. */
const filters = {
  kinds: () => ({ kinds: ["rare"] }),
  batches: () => ({ batchIds: rare.map(({ batchId }) => batchId) }),
  tasks: () => ({ taskIds: rare.map(({ taskId }) => taskId) }),
  metadata: () => ({ metadata: { color: "red" } }),
  statuses: () => ({ statuses: [2] }),
};

describe.each(Object.entries(filters))("little of much, by %s", (_name, filterOf) => {
  const created = (events: readonly Event[]) =>
    events.flatMap(({ taskId, payload }) => (payload.case === "taskCreated" ? [taskId] : []));
  const wanted = () => rare.map(({ taskId }) => taskId);

  test("ListEvents looks at a part of the feed at a time, and says when there is more", async () => {
    const pages: { events: number; more: boolean }[] = [];
    const found: string[] = [];
    for (let cursor = beginning; ; ) {
      const page = await s.client.events.listEvents({ filter: filterOf(), cursor });
      expect(page.nextCursor).not.toBe(cursor);
      pages.push({ events: page.events.length, more: page.more });
      found.push(...created(page.events));
      cursor = page.nextCursor;
      if (!page.more) break;
    }
    expect(found).toEqual(wanted());
    expect(pages.length).toBeGreaterThanOrEqual(3);
    expect(pages.filter(({ events }) => events === 0).length).toBeGreaterThan(0);
  });

  test("WatchEvents finds it from an old place on", async () => {
    const found: string[] = [];
    for await (const { message } of s.client.events.watchEvents({ filter: filterOf(), cursor: beginning })) {
      if (message.case === "events") found.push(...created(message.value.events));
      if (found.length === wanted().length) break;
    }
    expect(found).toEqual(wanted());
  });
});

test("a page that is full says whether the feed goes on behind it", async () => {
  const filter = filters.kinds();
  const first = await s.client.events.listEvents({ filter, pageSize: 1, cursor: beginning });
  expect([first.events.length, first.more]).toEqual([1, true]);
  const { nextCursor: end } = await s.client.events.listEvents({ pageSize: 1, cursor: await endOfFeed() });
  await createRare();
  const last = await s.client.events.listEvents({ filter, cursor: end });
  expect([last.events.length, last.more]).toEqual([1, false]);
  rare.pop();
});

async function endOfFeed(): Promise<string> {
  for (let cursor = beginning; ; ) {
    const page = await s.client.events.listEvents({ filter: { kinds: ["nothing"] }, cursor });
    if (!page.more) return page.nextCursor;
    cursor = page.nextCursor;
  }
}
