import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason, errorReason, listLogs } from "@millpond/sdk";
import { expect, test } from "vitest";
import { Database } from "../../src/store/database.ts";
import { forgetLogs } from "../../src/store/logs.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { claim, createGraph, report, startTwoServers, type TwoServers } from "./two-servers.ts";

const keys = ["a", "b", "c", "d", "e", "f"];

/** Appends a line, and tells whether it was taken. */
async function append(
  s: TwoServers,
  line: { taskId: string; attempt: number; message: string; n: number },
): Promise<boolean> {
  const { taskId, attempt, message, n } = line;
  try {
    await (n % 2 === 0 ? s.a : s.b).workers.appendLogs({ taskId, attempt, entries: [{ message }] });
    return true;
  } catch (error) {
    expect(errorReason(error)).toBe(ErrorReason.STALE_ATTEMPT);
    return false;
  }
}

async function read(s: TwoServers, taskId: string, attempt: number): Promise<string[]> {
  const messages: string[] = [];
  for await (const { message } of listLogs(s.b, { taskId, attempt })) messages.push(message);
  return messages;
}

test("while attempts fail and begin, each log holds exactly the lines that were taken, in the order of who wrote them", async () => {
  await using s = await startTwoServers();
  const retry = { maxAttempts: 4, initialBackoff: durationFromMs(1), maxBackoff: durationFromMs(1), multiplier: 1 };
  const { ids } = await createGraph(
    s.a,
    keys.map((key) => ({ key, retry })),
  );
  const taken = new Map<string, string[]>();
  let attempts = 1;
  let done = false;
  // Two of each task, and each of them writes to the attempt that it believes in, at times one too late.
  const writers = [0, 1].flatMap((writer) =>
    Object.values(ids).map(async (taskId) => {
      for (let n = 0; !done; n += 1) {
        const attempt = Math.max(attempts - (n % 5 === 0 ? 1 : 0), 1);
        const message = `${writer} ${n}`;
        if (!(await append(s, { taskId, attempt, message, n: n + writer }))) continue;
        const key = `${taskId} ${attempt} ${writer}`;
        taken.set(key, [...(taken.get(key) ?? []), message]);
      }
    }),
  );
  const count = () => [...taken.values()].flat().length;
  for (let round = 1; round <= 4; round += 1) {
    let claimed = 0;
    await until("all are claimed", async () => {
      claimed += (await claim(round % 2 === 0 ? s.a : s.b, "work")).length;
      return claimed === keys.length;
    });
    attempts = round;
    const before = count();
    await until("some lines more are taken", () => count() > before + 60);
    await report(s.a, Object.values(ids), "failure");
  }
  done = true;
  await Promise.all(writers);
  for (const taskId of Object.values(ids)) {
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const messages = await read(s, taskId, attempt);
      for (const writer of [0, 1]) {
        const own = messages.filter((message) => message.startsWith(`${writer} `));
        expect(own).toEqual(taken.get(`${taskId} ${attempt} ${writer}`) ?? []);
      }
    }
  }
  await s.finish();
});

test("logs that are forgotten while late lines come are whole or gone", async () => {
  await using s = await startTwoServers();
  const { ids } = await createGraph(
    s.a,
    keys.map((key) => ({ key })),
  );
  await report(s.a, await claim(s.a, "work"));
  const db = new Database({ url: s.databaseUrl, writers: 2, readers: 1, connectTimeoutMs: 5_000, onError: () => {} });
  let forgotten = 0;
  // The writers go on until enough of what they wrote has been forgotten under their hands.
  const writing = Object.values(ids).map(async (taskId) => {
    let lines = 0;
    for (; forgotten < 400; lines += 1)
      expect(await append(s, { taskId, attempt: 1, message: `${lines}`, n: lines })).toBe(true);
    return { taskId, lines };
  });
  const step = { keepMs: 0, after: 0n, below: 1n << 62n, tasksMax: 1_000, linesMax: 1_000 };
  while (forgotten < 400) forgotten += (await forgetLogs(db, step)).forgotten;
  for (const { taskId, lines } of await Promise.all(writing)) {
    // What is left is the end of what was written.
    const left = await read(s, taskId, 1);
    expect(left).toEqual(Array.from({ length: left.length }, (_, n) => `${lines - left.length + n}`));
  }
  await db.close();
  await s.finish();
});

test("a line that waits for who forgets the log begins another one", async () => {
  await using s = await startTwoServers();
  const { ids } = await createGraph(s.a, [{ key: "a" }]);
  const taskId = ids.a ?? "";
  await claim(s.a, "work");
  expect(await append(s, { taskId, attempt: 1, message: "early", n: 0 })).toBe(true);
  const late = await withClient(s.databaseUrl, async (client) => {
    await client.query("begin");
    await client.query("with l as (delete from task_log) delete from log_part");
    const waiting = append(s, { taskId, attempt: 1, message: "late", n: 0 });
    await until("the line waits", async () => {
      const text = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
      return (await client.query(text)).rowCount === 1;
    });
    await client.query("commit");
    return waiting;
  });
  expect(late).toBe(true);
  expect(await read(s, taskId, 1)).toEqual(["late"]);
  await s.finish();
});
