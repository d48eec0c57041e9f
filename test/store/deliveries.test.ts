import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import { type DeliveryResult, DeliveryState, DeliveryTrigger } from "../../src/domain/delivery.ts";
import { hostKey } from "../../src/domain/host-key.ts";
import { Database } from "../../src/store/database.ts";
import {
  claimDeliveries,
  listDeliveries,
  nextDeliveryDue,
  openGates,
  replayDeliveries,
  settleDeliveries,
} from "../../src/store/deliveries.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const taskSpec = '{"onSuccess":[{"url":"https://example.com/"}]}';
const batchList = '[{"url":"https://example.com/batch"}]';
const everything = {
  ...{ namespaceId: 1, taskId: undefined, batchId: undefined, host: undefined },
  ...{ states: [], triggers: [] },
};
const newest = { size: 100, before: undefined };
const noRequest = { namespaceId: 1, requestId: undefined, bodyHash: Buffer.alloc(1) };

let database: TestDatabase;
let admin: pg.Client;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  db = new Database({ url: database.url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
  await admin.query(`insert into queue (namespace_id, kind, execution) values (1, 'k', 1);
    insert into worker (namespace_id, name) values (1, 'w')`);
  await admin.query(
    "insert into batch (id, namespace_id, create_time, name, metadata, on_complete) values (1, 1, now(), 'batch', '{}', $1)",
    [batchList],
  );
  await admin.query("insert into batch_state (batch_id, open, status, end_time) values (1, false, 4, '2026-01-02')");
  await admin.query(
    "insert into task (id, batch_id, create_time, namespace_id, queue, key, name, spec) values (10, 1, now(), 1, 1, 'key', 'task', $1), (11, 1, now(), 1, 1, null, 'other', $1)",
    [taskSpec],
  );
  await admin.query(`insert into task_state (id, batch_id, inactivity_timeout_ms, deps_left, dependents, queue, start_timeout_ms, status, priority,
      execution, unmet_policy, attempt, worker, end_time)
    select id, 1, 1, 0, 0, 1, 1, 6, 0, 1, 1, 2, 1, '2026-01-01' from unnest('{10,11}'::bigint[]) x(id)`);
  await admin.query(
    `insert into task_attempt (task_id, attempt, status, output, end_time) values (10, 2, 6, '{"a":1}', '2026-01-01')`,
  );
});
afterAll(async () => {
  await admin.end();
  await db.close();
  await database.drop();
});
beforeEach(() => admin.query("delete from delivery; delete from request"));

/** Writes a delivery, due so many seconds from now; answers its id. */
async function add(
  row: { taskId?: number; trigger?: number; dueIn?: number; state?: number; webhook?: string; host?: string } = {},
) {
  const { taskId = 10, trigger = DeliveryTrigger.SUCCESS, dueIn = 0, state = 1, webhook = null } = row;
  const { host = "example.com" } = row;
  const { rows } = await admin.query<{ id: string }>(
    `insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, due, create_time, state, webhook, host)
     values (1, $1, 1, $2, 0, 2, now() + $3 * interval '1 second', now(), $4, $5, $6) returning id`,
    [taskId, trigger, dueIn, state, webhook, host],
  );
  return BigInt(rows[0]?.id ?? 0);
}

function result(delivery: { id: bigint; fence: number }, more: Partial<DeliveryResult> = {}): DeliveryResult {
  const { id, fence } = delivery;
  return { id, fence, state: DeliveryState.DELIVERED, delayMs: 0, statusCode: 200, error: null, ...more };
}

const free = { hosts: [], free: [], perHost: 1000 };
const claim = (max = 10, leaseMs = 60_000, more: Partial<Parameters<typeof claimDeliveries>[1]> = {}) =>
  claimDeliveries(db, { max, leaseMs, limits: free, ...more });
const list = (
  filter: Partial<Parameters<typeof listDeliveries>[1]> = {},
  page: Parameters<typeof listDeliveries>[2] = newest,
) => listDeliveries(db, { ...everything, ...filter }, page);

describe("claimDeliveries", () => {
  it("takes what is due with all that the call tells, and counts the attempt", async () => {
    const id = await add();
    await add({ dueIn: 60 });
    expect(await claim()).toEqual([
      {
        ...{
          id,
          namespaceId: 1,
          host: "example.com",
          fence: 1,
          attemptCount: 1,
          createTime: expect.any(Number),
          attemptTime: expect.any(Number),
        },
        ...{ taskId: 10n, batchId: 1n, trigger: 1, position: 0, source: taskSpec, attempt: 2, queue: 1, worker: 1 },
        ...{ key: "key", name: "task", taskStatus: 6, taskAttempt: 2, attemptStatus: 6 },
        ...{ endTime: Date.UTC(2026, 0, 1) * 1000, output: '{"a":1}', batchStatus: 4, stopReason: null },
        ...{ cause: null, culprit: null, message: null, code: null, details: null },
      },
    ]);
    expect(await claim()).toEqual([]);
  });

  it("takes what tells of a batch, and what was registered by an attempt", async () => {
    await add({ taskId: 0, trigger: DeliveryTrigger.BATCH_COMPLETE });
    await add({ taskId: 11, trigger: DeliveryTrigger.STOP, webhook: '{"url":"https://example.com/stop"}' });
    const endTime = Date.UTC(2026, 0, 2) * 1000;
    expect(await claim()).toMatchObject([
      { taskId: 0n, source: batchList, queue: null, name: "batch", key: null, taskStatus: null, endTime },
      {
        taskId: 11n,
        source: '{"url":"https://example.com/stop"}',
        queue: 1,
        name: "other",
        output: null,
        attemptStatus: null,
      },
    ]);
  });

  it("takes what the change left that it tells of, also where that was outside of any attempt", async () => {
    await admin.query(`insert into task_attempt (task_id, attempt, status, cause, message, end_time) values
      (11, 0, 7, 7, 'before', now() - interval '3 hours'), (11, 2, 7, 1, 'failed', now() - interval '2 hours'),
      (11, -1, 8, null, 'canceled', now() - interval '1 hour'), (11, -2, 7, 7, 'later', now() + interval '1 hour')`);
    await add({ taskId: 11, trigger: DeliveryTrigger.CANCELED });
    await add({ taskId: 11, trigger: DeliveryTrigger.FAILURE });
    await add({ taskId: 11, trigger: DeliveryTrigger.SUCCESS });
    expect(await claim()).toMatchObject([
      { attemptStatus: 8, message: "canceled" },
      { attemptStatus: 7, message: "failed" },
      { attemptStatus: null, message: null },
    ]);
    await admin.query("delete from task_attempt where task_id = 11");
  });

  it("takes the longest due first and never more than asked for", async () => {
    const [late, early] = [await add({ dueIn: -1 }), await add({ dueIn: -5 })];
    expect((await claim(1)).map(({ id }) => id)).toEqual([early]);
    expect((await claim(1)).map(({ id }) => id)).toEqual([late]);
  });

  it("gives each delivery to one of those who take at the same time", async () => {
    for (let n = 0; n < 40; n += 1) await add();
    const parts = await Promise.all(Array.from({ length: 8 }, () => claim(5)));
    const taken = parts.flat().map(({ id }) => id);
    expect(new Set(taken).size).toBe(taken.length);
    taken.push(...(await claim(40)).map(({ id }) => id));
    expect(new Set(taken).size).toBe(40);
    expect(taken).toHaveLength(40);
  });

  it("takes again what was not settled within its lease, for the next one alone", async () => {
    await add();
    const [first] = await claim(1, 0);
    const [second] = await claim(1, 60_000);
    expect([first?.fence, second?.fence, second?.attemptCount]).toEqual([1, 2, 2]);
    if (first === undefined || second === undefined) throw new Error("nothing was taken");
    expect(await settleDeliveries(db, [result(first)])).toEqual([]);
    expect((await list()).rows).toMatchObject([{ state: DeliveryState.PENDING }]);
    expect(await settleDeliveries(db, [result(second)])).toEqual([second.id]);
  });

  it("takes no more than fits in memory, but always one", async () => {
    await admin.query("update task set spec = repeat('x', 9000000) where id = 11");
    const ids = [await add({ taskId: 11, dueIn: -3 }), await add({ taskId: 11, dueIn: -2 }), await add({ dueIn: -1 })];
    expect((await claim()).map(({ id }) => id)).toEqual(ids.slice(0, 1));
    expect((await claim()).map(({ id }) => id)).toEqual(ids.slice(1));
    await admin.query("update task set spec = $1 where id = 11", [taskSpec]);
  });
});

describe("hosts", () => {
  const hosts = (taken: readonly { readonly host: string }[]) => taken.map(({ host }) => host).sort();

  it("get no more than they have places for, and as many as any other where nothing is known of them", async () => {
    for (const host of ["a", "b", "c"]) for (let n = 0; n < 5; n += 1) await add({ host, dueIn: -n });
    const limits = { hosts: ["a", "b"], free: [0, 2], perHost: 3 };
    expect(hosts(await claim(10, 60_000, { limits }))).toEqual(["b", "b", "c", "c", "c"]);
    expect(hosts(await claim(10, 60_000, { limits: { ...free, perHost: 10 } }))).toHaveLength(10);
  });

  it("take turns", async () => {
    for (const host of ["a", "b", "c"]) for (let n = 0; n < 2; n += 1) await add({ host });
    expect(hosts(await claim(2, 60_000, { afterHost: "a" }))).toEqual(["b", "b"]);
    expect(hosts(await claim(2, 60_000, { afterHost: "b" }))).toEqual(["c", "c"]);
    expect(hosts(await claim(2, 60_000, { afterHost: "c" }))).toEqual(["a", "a"]);
  });

  it("are all looked at for what is due next, but those that are left out", async () => {
    await add({ host: "a", dueIn: 10 });
    await add({ host: "b", dueIn: -5 });
    expect(await nextDeliveryDue(db)).toBe(0);
    expect(await nextDeliveryDue(db, ["b"])).toBeGreaterThan(5_000);
    expect(await nextDeliveryDue(db, ["a", "b"])).toBeUndefined();
  });

  it("that have nothing due hold up nobody behind them, however many they are", async () => {
    await admin.query(`insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, due, create_time, state, host)
      select 1, 10, 1, 1, 0, 2, now() + interval '1 hour', now(), 1, 'dead' || lpad(x::text, 4, '0') from generate_series(1, 2500) x`);
    const nextMs = await nextDeliveryDue(db);
    expect(nextMs).toBeGreaterThan(3_500_000);
    const id = await add({ host: "live" });
    expect(await nextDeliveryDue(db)).toBe(0);
    expect(await nextDeliveryDue(db, ["live"])).toBeGreaterThan(3_500_000);
    expect((await claim()).map((taken) => taken.id)).toEqual([id]);
    expect(await claim(10, 60_000, { afterHost: "live" })).toEqual([]);
    const full = await add({ host: "aa" });
    const limits = { hosts: ["aa"], free: [0], perHost: 1000 };
    expect(await claim(1, 60_000, { limits, afterHost: "live" })).toEqual([]);
    const second = await add({ host: "live" });
    expect((await claim(1, 60_000, { limits, afterHost: "live" })).map((taken) => taken.id)).toEqual([second]);
    expect((await claim(1, 60_000, { afterHost: "dead2000" })).map((taken) => taken.id)).toEqual([full]);
  });

  it("are found out by the database as hostKey says", async () => {
    // All of them lead to example.com, as a parser of URLs has it.
    const odd = [
      ...["http:example.com/a", "http:/example.com/a", "http:///example.com", "http:\\\\example.com\\a"],
      ...[
        " \t\nhttp://example.com/ ",
        "http://exam\tple.com/",
        "ht\ntp://example.com \u0001",
        "htt\rps://example.com:443",
      ],
      ...[
        "http://@example.com/",
        "http://:@example.com:80/a@b",
        "http://@@example.com",
        "\u0001 https://example.com:443",
      ],
    ];
    const urls = [
      ...["https://example.com/a?b#c", "HTTPS://Example.COM:443/", "http://example.com:80", "http://example.com:443/x"],
      ...[
        "http://example.com:8080?x=http://other",
        "http://[::1]:80/",
        "http://b\u00fccher.EXAMPLE/\u00fc",
        "http://example.com.:80/",
      ],
      ...["http://example.com#x", "http://exa\\mple.com/", "no url", "", `http://${"a".repeat(300)}.example/`],
      ...odd,
    ];
    const { rows } = await admin.query<{ host: string }>(
      "select coalesce(mp_call_host(url), '') host from unnest($1::text[]) with ordinality u(url, n) order by n",
      [urls],
    );
    expect(rows.map(({ host }) => host)).toEqual(urls.map(hostKey));
    expect(hostKey("HTTPS://Example.COM:443/")).toBe("example.com");
    expect(new Set(odd.map(hostKey))).toEqual(new Set(["example.com"]));
    expect(new Set(odd.map((url) => new URL(url).host))).toEqual(new Set(["example.com"]));
  });
});

test("a text that holds no webhook has no host, and lets the end that it tells of happen", async () => {
  const texts = [null, "", "{", "[]", '{"onSuccess":[{"url":7}]}', '{"onSuccess":[{}]}', '{"onSuccess":"a"}'];
  const bodies = ["\\u0000", "\\ud800", "\\ud83d\\ude00", "\\\\u0000", "\\\\\\u0000"];
  const read = bodies.map((body) => `{"onSuccess":[{"url":"https://example.com/${body}","body":"${body}"}]}`);
  const { rows } = await admin.query<{ host: string | null }>(
    "select mp_delivery_host(1::smallint, 0::smallint, source) host from unnest($1::text[]) with ordinality x(source, n) order by n",
    [[...texts, ...read]],
  );
  expect(rows.map(({ host }) => host || null)).toEqual([...texts.map(() => null), ...read.map(() => "example.com")]);
});

describe("openGates", () => {
  it("makes due what nobody has tried of these attempts, and nothing else", async () => {
    const gated = await add({ dueIn: 30 });
    await add({ taskId: 11, dueIn: 30 });
    const tried = await add({ dueIn: -1 });
    const [taken] = await claim();
    await settleDeliveries(db, [result(taken as { id: bigint; fence: number }, { state: 1, delayMs: 30_000 })]);
    expect(await openGates(db, [{ id: 10n, attempt: 1 }])).toBe(0);
    expect(await openGates(db, [{ id: 10n, attempt: 2 }])).toBe(1);
    expect((await claim()).map(({ id }) => id)).toEqual([gated]);
    expect(taken?.id).toBe(tried);
  });
});

describe("settleDeliveries", () => {
  it("records each result, and changes nothing that is settled already", async () => {
    await add();
    await add();
    const [one, two] = await claim();
    if (one === undefined || two === undefined) throw new Error("nothing was taken");
    const failed = { state: DeliveryState.PENDING, delayMs: 3_600_000, statusCode: 503, error: "answered 503" };
    expect(await settleDeliveries(db, [result(two, failed), result(one)])).toHaveLength(2);
    const before = (await list()).rows;
    expect(before).toMatchObject([
      { id: two.id, state: 1, attempts: 1, lastStatusCode: 503, lastError: "answered 503", deliverTime: null },
      { id: one.id, state: 2, attempts: 1, lastStatusCode: 200, lastError: null, deliverTime: expect.any(Number) },
    ]);
    const dueIn = (before[0]?.due ?? 0) - (before[0]?.lastAttemptTime ?? 0);
    expect(dueIn).toBeGreaterThanOrEqual(3_600_000_000);
    expect(await settleDeliveries(db, [result(one, failed)])).toEqual([]);
    expect((await list()).rows).toEqual(before);
  });
});

it("nextDeliveryDue tells when the next one that is to be made is due", async () => {
  expect(await nextDeliveryDue(db)).toBeUndefined();
  await add({ dueIn: -10, state: DeliveryState.EXHAUSTED });
  expect(await nextDeliveryDue(db)).toBeUndefined();
  await add({ dueIn: 100 });
  const inMs = await nextDeliveryDue(db);
  expect(inMs).toBeGreaterThan(50_000);
  expect(inMs).toBeLessThanOrEqual(100_000);
  await add({ dueIn: -100 });
  expect(await nextDeliveryDue(db)).toBe(0);
});

describe("listDeliveries", () => {
  it("lists newest first, in pages, with filters by task, batch and state", async () => {
    const task = await add();
    const other = await add({ taskId: 11, state: DeliveryState.EXHAUSTED });
    const batch = await add({ taskId: 0, trigger: DeliveryTrigger.BATCH_COMPLETE, state: DeliveryState.DELIVERED });
    const ids = async (...args: Parameters<typeof list>) => (await list(...args)).rows.map(({ id }) => id);
    expect(await ids()).toEqual([batch, other, task]);
    const page = await list({}, { size: 2, before: undefined });
    expect(page.rows.map(({ id }) => id)).toEqual([batch, other]);
    expect(page.nextBefore).toBe(other);
    expect(await list({}, { size: 2, before: other })).toMatchObject({ rows: [{ id: task }], nextBefore: undefined });
    expect(await ids({ taskId: 10n })).toEqual([task]);
    expect(await ids({ batchId: 1n })).toEqual([batch, other, task]);
    expect(await ids({ batchId: 1n, taskId: 11n })).toEqual([other]);
    expect(await ids({ batchId: 2n, taskId: 11n })).toEqual([]);
    expect(await ids({ states: [DeliveryState.PENDING, DeliveryState.DELIVERED] })).toEqual([batch, task]);
    expect(await ids({ namespaceId: 2 })).toEqual([]);
  });
});

describe("replayDeliveries", () => {
  it("makes exhausted ones of a task or a batch due again with a fresh budget, and others by their id", async () => {
    const exhausted = await add({ state: DeliveryState.EXHAUSTED, dueIn: -100 });
    const delivered = await add({ state: DeliveryState.DELIVERED });
    const waiting = await add({ taskId: 11, dueIn: 100 });
    await admin.query("update delivery set fence = 20, attempt_count = 20");
    expect(await replayDeliveries(db, noRequest, { by: "task", ids: [11n] })).toBe(0n);
    expect(await replayDeliveries(db, noRequest, { by: "batch", ids: [1n] })).toBe(1n);
    expect(await claim()).toMatchObject([{ id: exhausted, fence: 21, attemptCount: 1 }]);
    expect(await replayDeliveries(db, noRequest, { by: "id", ids: [delivered, waiting] })).toBe(2n);
    expect((await claim()).map(({ id }) => id)).toEqual([delivered, waiting]);
  });

  it("changes nothing where one of the ids does not exist", async () => {
    const id = await add({ state: DeliveryState.EXHAUSTED });
    expect(await replayDeliveries(db, noRequest, { by: "id", ids: [id, 999_999n] })).toBeUndefined();
    expect((await list()).rows).toMatchObject([{ state: DeliveryState.EXHAUSTED }]);
  });

  it("answers a call with the same request_id again for 24 hours, and refuses another body", async () => {
    const request = { namespaceId: 1, requestId: "r", bodyHash: Buffer.from([1]) };
    const id = await add({ state: DeliveryState.EXHAUSTED });
    const selection = { by: "id", ids: [id] } as const;
    expect(await replayDeliveries(db, request, selection)).toBe(1n);
    await admin.query("update delivery set state = 3");
    expect(await replayDeliveries(db, request, selection)).toBe(1n);
    expect((await list()).rows).toMatchObject([{ state: DeliveryState.EXHAUSTED }]);
    const other = { ...request, bodyHash: Buffer.from([2]) };
    await expect(replayDeliveries(db, other, selection)).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
    await admin.query("update request set create_time = now() - interval '25 hours'");
    expect(await replayDeliveries(db, other, selection)).toBe(1n);
    expect((await list()).rows).toMatchObject([{ state: DeliveryState.PENDING }]);
  });
});

it("looks at few rows of a large table, with plans that were made when it was small", async () => {
  const work = async (): Promise<void> => {
    const taken = await claim(5);
    await settleDeliveries(
      db,
      taken.map((delivery) => result(delivery)),
    );
    await nextDeliveryDue(db);
    for (const filter of [{}, { taskId: 10n }, { batchId: 1n }]) await list(filter, { size: 5, before: undefined });
    await replayDeliveries(db, noRequest, { by: "id", ids: taken.map(({ id }) => id) });
    await replayDeliveries(db, noRequest, { by: "task", ids: [11n] });
  };
  await add();
  await work();
  await admin.query(`insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, due, create_time, state)
    select 1, 10, 1, 1, 0, 2, now() - n * interval '1 second', now(), case when n > 1000 then 2 else 1 end from generate_series(1, 20000) n`);
  const before = await touched();
  await work();
  const after = await touched();
  expect(after.scans - before.scans).toBe(0);
  // Less than one walk over the 20,000; how much of what is gone still stands in the indexes depends on when they were vacuumed.
  expect(after.rows - before.rows).toBeLessThan(10_000);
});

/** How many scans of whole tables there were, and how many rows scans of any kind have looked at. */
async function touched(): Promise<{ scans: number; rows: number }> {
  const flush = { name: "flush", text: "select pg_stat_force_next_flush()" };
  for (let n = 0; n < 2; n += 1) await Promise.all([db.write(flush, []), db.write(flush, []), db.read(flush, [])]);
  const { rows } = await admin.query<{ scans: number; rows: number }>(
    `select (select sum(seq_scan)::int from pg_stat_user_tables where relname = 'delivery') scans,
      ((select sum(seq_tup_read) from pg_stat_user_tables) + (select sum(idx_tup_read) from pg_stat_user_indexes))::int "rows"`,
  );
  return rows[0] as { scans: number; rows: number };
}
