import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type LogEntry, LogLevel, TaskStatus } from "@millpond/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";
import { postJson } from "./server-harness.ts";
import { expectRefusal, newKind } from "./shared-server.ts";

const linesMax = 1_000;
const bytesMax = 16_384;

let millpond: Setup;
let second: Awaited<ReturnType<Setup["another"]>>;
beforeAll(async () => {
  millpond = await setup({ MILLPOND_LOG_LINES_MAX: String(linesMax), MILLPOND_LOG_BYTES_MAX: String(bytesMax) });
  second = await millpond.another();
});
afterAll(async () => {
  try {
    await checkInvariants(millpond.database.url);
  } finally {
    await millpond?.[Symbol.asyncDispose]();
  }
});

const unknownId = "01900000-0000-7000-8000-000000000000";

/** Creates a task and claims it. */
async function runningTask(options: { inactivityMs?: number; attempts?: number } = {}) {
  const kind = newKind();
  const { inactivityMs, attempts } = options;
  const { tasks } = await millpond.client.tasks.createTasks({
    tasks: [
      {
        ...{ name: "t", kind },
        ...(inactivityMs !== undefined && { inactivityTimeout: durationFromMs(inactivityMs) }),
        ...(attempts !== undefined && { retry: { maxAttempts: attempts, initialBackoff: durationFromMs(1) } }),
      },
    ],
  });
  const claim = () =>
    millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], waitTimeout: durationFromMs(10_000) });
  expect((await claim()).assignments).toHaveLength(1);
  return { taskId: tasks[0]?.taskId ?? "", claim };
}

const fail = (taskId: string) =>
  millpond.client.tasks.reportTasks({ reports: [{ taskId, report: { case: "failure", value: { message: "no" } } }] });
const succeed = (taskId: string) =>
  millpond.client.tasks.reportTasks({ reports: [{ taskId, report: { case: "success", value: {} } }] });
const entriesOf = (...messages: string[]) => messages.map((message) => ({ message }));
const messagesOf = (entries: readonly LogEntry[]) => entries.map(({ message }) => message);
const numbered = (prefix: string, count: number) =>
  entriesOf(...Array.from({ length: count }, (_, n) => `${prefix}${n}`));

/** Every line, page by page. */
async function readAll(taskId: string, { attempt = 0, pageSize = 0, client = millpond.client } = {}) {
  const entries: LogEntry[] = [];
  for (let cursor = ""; ; ) {
    const page = await client.workers.listLogs({ taskId, attempt, cursor, pageSize });
    entries.push(...page.entries);
    expect(page.nextCursor).not.toBe("");
    if (page.entries.length === 0) return { ...page, entries };
    cursor = page.nextCursor;
  }
}

describe("AppendLogs and ListLogs", () => {
  test("keep lines in their order, with their times and levels, whatever the pages", async () => {
    const { taskId } = await runningTask();
    const logTime = { seconds: 1_700_000_000n, nanos: 123_456_000 };
    const beganMs = Date.now();
    const answer = await millpond.client.workers.appendLogs({
      ...{ taskId, attempt: 1 },
      entries: [
        { message: "first", logTime, level: LogLevel.DEBUG },
        { message: "second" },
        { message: "", level: LogLevel.ERROR, logTime: timestampFromMs(0) },
      ],
    });
    expect(answer).toMatchObject({ truncated: false, cancelRequested: false });
    await second.client.workers.appendLogs({ taskId, entries: entriesOf("fourth", "fifth\nwith two lines") });
    const { entries, truncated, attemptEnded } = await readAll(taskId);
    expect(entries).toMatchObject([
      { message: "first", logTime, level: LogLevel.DEBUG },
      { message: "second", level: LogLevel.INFO },
      { message: "", level: LogLevel.ERROR, logTime: { seconds: 0n, nanos: 0 } },
      { message: "fourth", level: LogLevel.INFO },
      { message: "fifth\nwith two lines" },
    ]);
    const arrivedMs = entries[1]?.logTime === undefined ? 0 : timestampMs(entries[1].logTime);
    expect(arrivedMs).toBeGreaterThan(beganMs - 60_000);
    expect(arrivedMs).toBeLessThan(Date.now() + 60_000);
    expect([truncated, attemptEnded]).toEqual([false, false]);
    for (const pageSize of [1, 2, 3, 4, 5, 1_000]) {
      const read = await readAll(taskId, { pageSize, client: second.client });
      expect(messagesOf(read.entries)).toEqual(messagesOf(entries));
    }
  });

  test("keep every text that the contract takes, and say where one is refused", async () => {
    const { taskId } = await runningTask();
    const texts = ['"quoted" {a,b} \\ back', "NULL", "{}", "\u0001\u001b[31m\t", "𝔘nicode 🌊", "x".repeat(16_000)];
    await millpond.client.workers.appendLogs({ taskId, entries: entriesOf(...texts) });
    expect(messagesOf((await readAll(taskId)).entries)).toEqual(texts);
    const append = (entries: ReturnType<typeof entriesOf>) => millpond.client.workers.appendLogs({ taskId, entries });
    const invalid = (...fields: string[]) => ({ code: "InvalidArgument" as const, reason: "INVALID_FIELD", fields });
    await expectRefusal(append(entriesOf("fine", "a\0b")), invalid("entries[1].message"));
    await expectRefusal(append(entriesOf("x".repeat(16_385))), invalid("entries[0].message"));
    await expectRefusal(append([]), invalid("entries"));
    await expectRefusal(append(numbered("n", 1_001)), invalid("entries"));
    expect(messagesOf((await readAll(taskId)).entries)).toEqual(texts);
    const json = `{"taskId":"${taskId}","entries":[{"message":"lone \\ud800 surrogate","level":"LOG_LEVEL_WARN"}]}`;
    const { status, json: refusal } = await postJson(`${millpond.url}/millpond.v1.WorkerService/AppendLogs`, json);
    expect([status, refusal.code]).toEqual([400, "invalid_argument"]);
    expect(refusal.message).toContain("invalid UTF8");
    expect(messagesOf((await readAll(taskId)).entries)).toEqual(texts);
  });

  test("refuse tasks and attempts that are not there, and cursors of others", async () => {
    const { taskId } = await runningTask();
    const { tasks } = await millpond.client.tasks.createTasks({ tasks: [{ name: "t", kind: newKind() }] });
    const unclaimed = tasks[0]?.taskId ?? "";
    const append = (id: string, attempt = 0) =>
      millpond.client.workers.appendLogs({ taskId: id, attempt, entries: entriesOf("no") });
    const missing = { code: "NotFound", reason: "TASK_NOT_FOUND" } as const;
    const stale = { code: "FailedPrecondition", reason: "STALE_ATTEMPT" } as const;
    expect((await expectRefusal(append(unknownId), missing)).metadata).toEqual({ task_id: unknownId });
    expect((await expectRefusal(append(unclaimed), stale)).metadata).toEqual({
      current_attempt: "0",
      status: "PENDING",
    });
    expect((await expectRefusal(append(taskId, 2), stale)).metadata).toEqual({
      current_attempt: "1",
      status: "RUNNING",
    });
    const list = (request: object) => millpond.client.workers.listLogs({ taskId, ...request });
    await expectRefusal(list({ taskId: unknownId }), missing);
    const invalid = { code: "InvalidArgument" as const, reason: "INVALID_FIELD", fields: ["cursor"] };
    await expectRefusal(list({ cursor: "nonsense" }), invalid);
    const other = await millpond.client.workers.listLogs({ taskId: unclaimed });
    expect(other).toMatchObject({ entries: [], truncated: false, attemptEnded: false });
    await expectRefusal(list({ cursor: other.nextCursor }), invalid);
    const { nextCursor } = await list({});
    await expectRefusal(list({ cursor: nextCursor, attempt: 2 }), invalid);
    expect((await readAll(taskId)).entries).toEqual([]);
  });

  test("answer a repeated request_id with the first answer, once appended, also at the same time on two servers", async () => {
    const { taskId } = await runningTask();
    const request = { taskId, entries: entriesOf("once"), requestId: `append ${taskId}` };
    const clients = [millpond.client, second.client, millpond.client, second.client];
    await Promise.all(clients.map((client) => client.workers.appendLogs(request)));
    expect(messagesOf((await readAll(taskId)).entries)).toEqual(["once"]);
    await expectRefusal(millpond.client.workers.appendLogs({ ...request, entries: entriesOf("another") }), {
      ...{ code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    });
    await fail(taskId);
    expect(await second.client.workers.appendLogs(request)).toMatchObject({ truncated: false });
    expect(messagesOf((await readAll(taskId)).entries)).toEqual(["once"]);
  });

  test("take the last lines of an attempt that is over, and none when the next one has begun", async () => {
    const { taskId, claim } = await runningTask({ attempts: 2 });
    await millpond.client.workers.appendLogs({ taskId, attempt: 1, entries: entriesOf("works") });
    await fail(taskId);
    await millpond.client.workers.appendLogs({ taskId, attempt: 1, entries: entriesOf("a late stack trace") });
    expect((await claim()).assignments).toMatchObject([{ attempt: 2 }]);
    await expectRefusal(millpond.client.workers.appendLogs({ taskId, attempt: 1, entries: entriesOf("too late") }), {
      ...{ code: "FailedPrecondition", reason: "STALE_ATTEMPT" },
    });
    expect((await readAll(taskId)).entries).toEqual([]);
    await second.client.workers.appendLogs({ taskId, attempt: 2, entries: entriesOf("works again") });
    await succeed(taskId);
    await millpond.client.workers.appendLogs({ taskId, entries: entriesOf("and is done") });
    const [first, last] = [await readAll(taskId, { attempt: 1 }), await readAll(taskId)];
    expect([messagesOf(first.entries), first.attemptEnded]).toEqual([["works", "a late stack trace"], true]);
    expect([messagesOf(last.entries), last.attemptEnded]).toEqual([["works again", "and is done"], true]);
  });

  test("tell the executor of a task that was canceled to stop", async () => {
    const { taskId } = await runningTask();
    await millpond.client.tasks.cancelTasks({ taskIds: [taskId] });
    const answer = await millpond.client.workers.appendLogs({ taskId, attempt: 1, entries: entriesOf("why me") });
    expect(answer.cancelRequested).toBe(true);
    expect(messagesOf((await readAll(taskId)).entries)).toEqual(["why me"]);
  });

  test("are a sign of life", async () => {
    const [logging, silent] = [await runningTask({ inactivityMs: 1_500 }), await runningTask({ inactivityMs: 1_500 })];
    let lines = 0;
    await until("the silent one is taken back", async () => {
      await millpond.client.workers.appendLogs({ taskId: logging.taskId, attempt: 1, entries: entriesOf("alive") });
      lines += 1;
      const { task } = await millpond.client.tasks.getTask({ taskId: silent.taskId });
      return task?.status === TaskStatus.FAILURE;
    });
    const { task } = await millpond.client.tasks.getTask({ taskId: logging.taskId });
    expect(task?.status).toBe(TaskStatus.RUNNING);
    expect((await readAll(logging.taskId, { pageSize: 1_000 })).entries.length).toBeGreaterThanOrEqual(
      Math.min(lines, linesMax),
    );
  });
});

describe("the bound of a task", () => {
  const marker = (lines: number) =>
    `${lines} ${lines === 1 ? "line was" : "lines were"} dropped: the log of the task is at the server's bound`;

  test("cuts in lines: what is beyond is dropped and counted by one marker at the end", async () => {
    const { taskId } = await runningTask();
    const append = (prefix: string, count: number) =>
      millpond.client.workers.appendLogs({ taskId, entries: numbered(prefix, count) });
    expect((await append("a", linesMax - 1)).truncated).toBe(false);
    expect((await append("b", 3)).truncated).toBe(true);
    const full = await readAll(taskId);
    expect(messagesOf(full.entries.slice(-3))).toEqual([`a${linesMax - 2}`, "b0", marker(2)]);
    expect(full.entries.at(-1)?.level).toBe(LogLevel.WARN);
    expect([full.entries.length, full.truncated]).toEqual([linesMax + 1, true]);
    expect((await append("c", 5)).truncated).toBe(true);
    for (const pageSize of [1, 999, 1_000]) {
      const { entries } = await readAll(taskId, { pageSize });
      expect([entries.length, entries.at(-1)?.message]).toEqual([linesMax + 1, marker(7)]);
    }
    // Who has been told goes on from behind the marker, and is told once more at the end.
    const more = () => millpond.client.workers.listLogs({ taskId, cursor: full.nextCursor });
    expect((await more()).entries).toEqual([]);
    await succeed(taskId);
    const told = await more();
    expect(messagesOf(told.entries)).toEqual([marker(7)]);
    expect((await millpond.client.workers.listLogs({ taskId, cursor: told.nextCursor })).entries).toEqual([]);
  });

  test("cuts in bytes, at a line", async () => {
    const { taskId } = await runningTask();
    const entries = entriesOf("x".repeat(bytesMax - 6), "äöü", "y", "");
    expect((await millpond.client.workers.appendLogs({ taskId, entries })).truncated).toBe(true);
    expect(messagesOf((await readAll(taskId)).entries).slice(1)).toEqual(["äöü", marker(2)]);
    const { taskId: another } = await runningTask();
    const large = entriesOf("x".repeat(bytesMax - 6), "yäöü", "");
    await millpond.client.workers.appendLogs({ taskId: another, entries: large });
    await millpond.client.workers.appendLogs({ taskId: another, entries: entriesOf("") });
    expect(messagesOf((await readAll(another)).entries).slice(1)).toEqual([marker(3)]);
  });

  test("is exact when many append at the same time on two servers: the lines are listed that were kept, the others counted", async () => {
    const { taskId } = await runningTask();
    const calls = Array.from({ length: 60 }, (_, n) => {
      const { workers } = n % 2 === 0 ? millpond.client : second.client;
      return workers.appendLogs({ taskId, attempt: 1, entries: numbered(`${n} `, 37) });
    });
    const answers = await Promise.all(calls);
    const { entries } = await readAll(taskId, { pageSize: 1_000 });
    expect(entries.at(-1)?.message).toBe(marker(60 * 37 - linesMax));
    const kept = messagesOf(entries.slice(0, -1));
    expect([kept.length, new Set(kept).size]).toEqual([linesMax, linesMax]);
    for (const [n, { truncated }] of answers.entries()) {
      const own = kept.filter((message) => message.startsWith(`${n} `));
      expect(own).toEqual(messagesOf(numbered(`${n} `, own.length) as LogEntry[]));
      if (!truncated) expect(own).toHaveLength(37);
    }
    expect(answers.filter(({ truncated }) => !truncated).length).toBe(Math.floor(linesMax / 37));
  });

  test("makes room for a later attempt at the cost of the earlier ones, which say so", async () => {
    const { taskId, claim } = await runningTask({ attempts: 3 });
    const append = (attempt: number, count: number) =>
      millpond.client.workers.appendLogs({ taskId, attempt, entries: numbered(`${attempt}.`, count) });
    await append(1, linesMax);
    await append(1, 10);
    await fail(taskId);
    await claim();
    expect((await append(2, 600)).truncated).toBe(false);
    const first = await readAll(taskId, { attempt: 1 });
    expect([messagesOf(first.entries), first.truncated]).toEqual([[marker(linesMax + 10)], true]);
    await fail(taskId);
    await claim();
    expect((await append(3, 400)).truncated).toBe(false);
    expect(await readAll(taskId, { attempt: 2 })).toMatchObject({ entries: { length: 600 }, truncated: false });
    expect((await append(3, 1)).truncated).toBe(false);
    expect(await readAll(taskId, { attempt: 3 })).toMatchObject({ entries: { length: 401 }, truncated: false });
    for (const attempt of [1, 2]) {
      const { entries } = await readAll(taskId, { attempt });
      expect(messagesOf(entries)).toEqual([marker(attempt === 1 ? linesMax + 10 : 600)]);
    }
  });
});

describe("following", () => {
  const waitTimeout = durationFromMs(30_000);

  test("is woken by lines of any server, and goes on from the cursor on any other", async () => {
    const { taskId } = await runningTask();
    const waiting = millpond.client.workers.listLogs({ taskId, waitTimeout });
    await until("it waits", async () => (await metric("millpond_log_followers")) === 1);
    await second.client.workers.appendLogs({ taskId, entries: entriesOf("one") });
    const first = await waiting;
    expect(messagesOf(first.entries)).toEqual(["one"]);
    const next = second.client.workers.listLogs({ taskId, waitTimeout, cursor: first.nextCursor });
    await second.client.workers.appendLogs({ taskId, entries: entriesOf("two", "three") });
    expect(messagesOf((await next).entries)[0]).toBe("two");
  });

  test("ends with the attempt, and hands out a line that came before", async () => {
    const { taskId } = await runningTask();
    const { nextCursor } = await millpond.client.workers.listLogs({ taskId });
    const waiting = second.client.workers.listLogs({ taskId, waitTimeout, cursor: nextCursor });
    await succeed(taskId);
    expect(await waiting).toMatchObject({ entries: [], attemptEnded: true });
  });

  test("does not wait for long behind an attempt that is over: the end may fall between two calls", async () => {
    const { taskId } = await runningTask();
    const { nextCursor } = await millpond.client.workers.listLogs({ taskId });
    await succeed(taskId);
    // Well before the 60 s that it may wait for otherwise.
    const last = await millpond.client.workers.listLogs(
      { taskId, waitTimeout: durationFromMs(60_000), cursor: nextCursor },
      { timeoutMs: 40_000 },
    );
    expect(last).toMatchObject({ entries: [], attemptEnded: true });
  });

  test("is answered empty when the server stops", async () => {
    const { taskId } = await runningTask();
    const third = await millpond.another();
    const { nextCursor } = await third.client.workers.listLogs({ taskId });
    const waiting = third.client.workers.listLogs({ taskId, waitTimeout });
    await until("it waits", async () => (await metric("millpond_log_followers", third.url)) === 1);
    await third.server.stop(2_000);
    expect(await waiting).toMatchObject({ entries: [], nextCursor, attemptEnded: false });
  });

  test("begins before the first attempt, and answers empty when the time is over", async () => {
    const kind = newKind();
    const { tasks } = await millpond.client.tasks.createTasks({ tasks: [{ name: "t", kind }] });
    const taskId = tasks[0]?.taskId ?? "";
    const short = await millpond.client.workers.listLogs({ taskId, waitTimeout: durationFromMs(50) });
    expect(short).toMatchObject({ entries: [], attemptEnded: false });
    const waiting = millpond.client.workers.listLogs({ taskId, waitTimeout, cursor: short.nextCursor });
    await second.client.workers.claimTasks({ workerId: "w", kinds: [kind] });
    await second.client.workers.appendLogs({ taskId, entries: entriesOf("at last") });
    expect(messagesOf((await waiting).entries)).toEqual(["at last"]);
  });
});

test("calls that come together share commits", async () => {
  const kind = newKind();
  const graph = Array.from({ length: 200 }, (_, n) => ({ name: `${n}`, kind }));
  const { tasks } = await millpond.client.tasks.createTasks({ tasks: graph });
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 200 });
  await Promise.all(
    tasks.map(({ taskId }) => millpond.client.workers.appendLogs({ taskId, attempt: 1, entries: entriesOf(taskId) })),
  );
  for (const { taskId } of tasks.slice(0, 10)) expect(messagesOf((await readAll(taskId)).entries)).toEqual([taskId]);
  const text =
    "select count(distinct p.xmin::text)::int as commits, count(*)::int as calls from log_part p join task t on t.id = p.task_id where t.name = any ($1)";
  const names = graph.map(({ name }) => name);
  const { rows } = await withClient(millpond.database.url, (client) => client.query(text, [names]));
  expect(rows[0].calls).toBe(200);
  expect(rows[0].commits).toBeLessThan(100);
});

test("the metrics count the lines that were kept and dropped", async () => {
  const { taskId } = await runningTask();
  const before = [
    await metric('millpond_log_lines_total{outcome="kept"}'),
    await metric('millpond_log_lines_total{outcome="dropped"}'),
  ];
  await millpond.client.workers.appendLogs({ taskId, entries: numbered("n", 999) });
  await millpond.client.workers.appendLogs({ taskId, entries: numbered("m", 11) });
  const after = [
    await metric('millpond_log_lines_total{outcome="kept"}'),
    await metric('millpond_log_lines_total{outcome="dropped"}'),
  ];
  expect(after.map((value, n) => value - (before[n] ?? 0))).toEqual([linesMax, 10]);
});

async function metric(name: string, url = millpond.url): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length) ?? 0,
  );
}

test("logs are forgotten some time after the end of their task, with all parts; a place in them has expired", async () => {
  await using short = await setup({ MILLPOND_LOG_RETENTION: "1s" });
  const kind = newKind();
  const { tasks } = await short.client.tasks.createTasks({ tasks: [1, 2].map((n) => ({ name: `${n}`, kind })) });
  const [ended = "", running = ""] = tasks.map((task) => task.taskId);
  await short.client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: 2 });
  for (const taskId of [ended, running, ended])
    await short.client.workers.appendLogs({ taskId, entries: entriesOf("line") });
  const { nextCursor } = await short.client.workers.listLogs({ taskId: ended });
  await short.client.tasks.reportTasks({ reports: [{ taskId: ended, report: { case: "success", value: {} } }] });
  const count = (table: string) =>
    withClient(short.database.url, async (client) =>
      Number((await client.query(`select count(*) from ${table}`)).rows[0].count),
    );
  await until("the log of the ended task is forgotten", async () => (await count("task_log")) === 1);
  expect(await count("log_part")).toBe(1);
  expect(messagesOf((await short.client.workers.listLogs({ taskId: running })).entries)).toEqual(["line"]);
  const expired = { code: "OutOfRange", reason: "CURSOR_EXPIRED" } as const;
  const { metadata } = await expectRefusal(
    short.client.workers.listLogs({ taskId: ended, cursor: nextCursor }),
    expired,
  );
  // A late line begins another log, of which the old place is none either.
  await short.client.workers.appendLogs({ taskId: ended, entries: entriesOf("very late", "indeed", "too") });
  await expectRefusal(short.client.workers.listLogs({ taskId: ended, cursor: nextCursor }), expired);
  const again = await short.client.workers.listLogs({ taskId: ended, cursor: metadata.oldest_cursor ?? "" });
  expect(messagesOf(again.entries)).toEqual(["very late", "indeed", "too"]);
});
