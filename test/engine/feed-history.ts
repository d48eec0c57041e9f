import { type Event, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect } from "vitest";
import { withClient } from "../support/template-database.ts";
import { changeName, type Seen } from "./feed-watcher.ts";
import type { TwoServers } from "./two-servers.ts";

/** Every change that ListEvents tells, which must be what the table holds. */
export async function readHistory(s: TwoServers): Promise<readonly Event[]> {
  await s.caughtUp();
  const [history, other] = await Promise.all([s.a, s.b].map((client) => readPages(client, 1000)));
  expect(other?.map(changeName)).toEqual(history?.map(changeName));
  expect(history?.map((event) => event.eventId)).toEqual(await readTable(s));
  return history ?? [];
}

/** The ids of all changes of the table, in the order of its numbers. */
async function readTable(s: TwoServers): Promise<string[]> {
  const { rows } = await withClient(s.databaseUrl, (client) =>
    client.query<{ id: string }>(
      `select lpad(seq::text, 15, '0') || '-' || lpad((index - 1)::text, 6, '0') id from event_change order by seq, index`,
    ),
  );
  return rows.map(({ id }) => id);
}

async function readPages(client: MillpondClient, pageSize: number): Promise<Event[]> {
  const events: Event[] = [];
  let cursor = "";
  for (;;) {
    const page = await client.events.listEvents({ cursor, pageSize });
    if (page.events.length === 0) return events;
    expect(page.events.length).toBeLessThanOrEqual(pageSize);
    events.push(...page.events);
    cursor = page.nextCursor;
  }
}

/** A watcher that began with a snapshot saw each task either as it stood and all that came then, or from its creation on. */
export async function checkSnapshot(
  client: MillpondClient,
  { changes, snapshot }: Seen,
  history: readonly string[],
): Promise<void> {
  const now = new Map(snapshot);
  expect(new Set(changes).size).toBe(changes.length);
  for (const change of changes) {
    const [, taskId = "", what = ""] = change.split(" ");
    if (what === "taskCreated") expect(now.has(taskId), `${change} after its snapshot`).toBe(false);
    const [from, to] = what.split(">").map(Number);
    if (to !== undefined && now.has(taskId)) expect(now.get(taskId), change).toBe(from);
    if (to !== undefined) now.set(taskId, to);
  }
  const place = new Map(history.map((change, n) => [change, n]));
  expect(changes.map((change) => place.get(change) ?? -1)).toEqual(
    changes.map((change) => place.get(change)).sort((x, y) => (x ?? 0) - (y ?? 0)),
  );
  const { tasks } = await client.tasks.listTasks({ kinds: ["last"] });
  expect(now.get(tasks[0]?.taskId ?? "")).toBe(TaskStatus.SUCCESS);
  const ended = new Map(
    history
      .map((change) => change.split(" "))
      .flatMap(([, taskId = "", what = ""]) =>
        what.includes(">") ? [[taskId, Number(what.split(">")[1])] as const] : [],
      ),
  );
  for (const [taskId, status] of ended) expect(now.get(taskId), taskId).toBe(status);
}
