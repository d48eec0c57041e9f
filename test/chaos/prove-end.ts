import assert from "node:assert/strict";
import type { Event, MillpondClient } from "@millpond/sdk";
import { createIdCodec, type IdCodec } from "../../src/domain/ids.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";

/** Goes on as workers do until no task is left that has not ended; answers how many tasks it took. */
export async function workOff(client: MillpondClient, databaseUrl: string, kinds: readonly string[]): Promise<number> {
  let taken = 0;
  await until(
    "every task has ended",
    async () => {
      const { assignments } = await client.workers.claimTasks({ workerId: "last", kinds: [...kinds], maxTasks: 1000 });
      taken += assignments.length;
      if (assignments.length > 0) {
        const reports = assignments.map(({ task, attempt }) => ({
          ...{ taskId: task?.taskId as string, attempt },
          report: { case: "success" as const, value: {} },
        }));
        await client.tasks.reportTasks({ reports });
      }
      return (await count(databaseUrl, "task_state where status < 6")) === 0;
    },
    180_000,
  );
  return taken;
}

/** How many rows there are. */
export async function count(databaseUrl: string, from: string): Promise<number> {
  const { rows } = await withClient(databaseUrl, (client) =>
    client.query<{ count: string }>(`select count(*) from ${from}`),
  );
  return Number(rows[0]?.count);
}

/** Proves that every law of the tables holds, and that the feed tells each change of the tables' history once, in its order. */
export async function prove(client: MillpondClient, databaseUrl: string): Promise<void> {
  await checkInvariants(databaseUrl);
  const told = (await readHistory(client)).map(changeOf);
  assert.equal(new Set(told.map((change) => change.split(" ")[0])).size, told.length, "each event is told once");
  assert.deepEqual(told, await changesOfTables(databaseUrl));
}

/** Reads all events, in pages. */
async function readHistory(client: MillpondClient): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor = ""; ; ) {
    const page = await client.events.listEvents({ cursor, pageSize: 1000 });
    if (page.events.length === 0) return events;
    events.push(...page.events);
    cursor = page.nextCursor;
  }
}

function changeOf({ eventId, batchId, taskId, payload }: Event): string {
  const place = [eventId, batchId, taskId || "-"].join(" ");
  switch (payload.case) {
    case "taskCreated":
      return `${place} 0>${payload.value.status} attempt 0`;
    case "taskStatusChanged":
      return `${place} ${payload.value.from}>${payload.value.to} attempt ${payload.value.attempt}`;
    case "batchStatusChanged":
      return `${place} ${payload.value.from}>${payload.value.to} attempt 0`;
    default:
      return assert.fail(`an event of a kind that was not to be: ${payload.case}`);
  }
}

async function changesOfTables(databaseUrl: string): Promise<string[]> {
  interface Row {
    seq: string;
    n: string;
    batch_id: string;
    task_id: string;
    change: string;
  }
  const { codec, rows } = await withClient(databaseUrl, async (client) => ({
    codec: await codecOf(client),
    ...(await client.query<Row>(
      `select seq, (index - 1)::text n, batch_id, task_id, format('%s>%s attempt %s', from_status, to_status, attempt) change
       from event_change order by seq, index`,
    )),
  }));
  return rows.map(({ seq, n, batch_id, task_id, change }) => {
    const task = task_id === "0" ? "-" : codec.encode(BigInt(task_id));
    return `${seq.padStart(15, "0")}-${n.padStart(6, "0")} ${codec.encode(BigInt(batch_id))} ${task} ${change}`;
  });
}

async function codecOf(client: {
  query: (text: string) => Promise<{ rows: { uuid_salt: string }[] }>;
}): Promise<IdCodec> {
  const { rows } = await client.query("select uuid_salt from instance");
  return createIdCodec(BigInt(rows[0]?.uuid_salt ?? 0));
}

/** The status of each task by its id, as the tables have it. */
export async function readTasks(
  databaseUrl: string,
): Promise<Map<string, { status: number; attempt: number; attemptsMax: number }>> {
  interface Row {
    id: string;
    status: number;
    attempt: number;
    attempts_max: number;
  }
  return withClient(databaseUrl, async (client) => {
    const codec = await codecOf(client);
    const { rows } = await client.query<Row>(
      "select h.id, h.status, h.attempt, coalesce(p.max_attempts, 1) + h.released + 3 attempts_max from task_state h left join retry_policy p on p.id = h.retry_policy",
    );
    return new Map(
      rows.map(({ id, attempts_max: attemptsMax, status, attempt }) => [
        codec.encode(BigInt(id)),
        { status, attempt, attemptsMax },
      ]),
    );
  });
}
