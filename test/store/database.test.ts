import { type AddressInfo, createServer } from "node:net";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { createGraph } from "../../src/store/create-tasks.ts";
import { Database, sqlState } from "../../src/store/database.ts";
import { formatMicros, parseMicros } from "../../src/store/pg-types.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { graphRows } from "./graph-rows.ts";

const statement = (text: string) => ({ name: text, text });
const open = (url: string): Database =>
  new Database({ url, writers: 2, readers: 1, connectTimeoutMs: 5_000, onError: () => {} });
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error,
  );

let database: TestDatabase;
let db: Database;
let admin: pg.Client;

beforeEach(async () => {
  database = await createTestDatabase();
  db = open(database.url);
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
});

afterEach(async () => {
  await db.close();
  await admin.end();
  await database.drop();
});

describe("a migration that changes what a prepared statement answers", () => {
  const two = statement("select * from told() /* by any connection */");
  const tell = (columns: string) =>
    admin.query(`drop function if exists told; create function told(${columns}) language plpgsql as 'begin end'`);

  it("is seen by every connection, without an error, alone and within a transaction", async () => {
    await tell("out a integer");
    const both = () =>
      Promise.all([
        ...[db.write(two, []), db.write(two, []), db.read(two, []), db.readByKey(two, [])],
        db.readSnapshot((read) => read(two, [])),
      ]);
    expect(await both()).toEqual(Array(5).fill([{ a: null }]));
    await tell("out a integer, out b integer");
    expect(await both()).toEqual(Array(5).fill([{ a: null, b: null }]));
    await tell("out c integer, out d integer");
    expect(await db.transaction("commit", ({ write }) => write(two, []))).toEqual([{ c: null, d: null }]);
  });

  it("does not hide what is not supported", async () => {
    const unsupported = statement("create table other.schema.name (a integer)");
    expect(sqlState(await failure(db.write(unsupported, [])))).toBe("0A000");
  });
});

describe("errors of the database", () => {
  it("a server that nobody can reach is STORE_UNAVAILABLE, with the time after which to try again", async () => {
    const away = open(`postgres://postgres@127.0.0.1:${await unusedPort()}/none`);
    for (const work of [away.read(statement("select 1"), []), away.write(statement("select 1"), [])]) {
      expect(await failure(work)).toMatchObject({ reason: "STORE_UNAVAILABLE", retryDelayMs: expect.any(Number) });
    }
    expect(
      await failure(
        away.listen(
          "millpond",
          () => {},
          () => {},
        ),
      ),
    ).toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await away.close();
  });

  it("a server that ends a connection in the moment in which it is ready is STORE_UNAVAILABLE, and nothing else happens", async () => {
    const text = "SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0";
    const message = (type: string, body: Buffer): Buffer => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(4 + body.length);
      return Buffer.concat([Buffer.from(type), length, body]);
    };
    // Logged in, ready, and gone: all of it comes in one piece.
    const [login, ready, fatal] = [
      message("R", Buffer.alloc(4)),
      message("Z", Buffer.from("I")),
      message("E", Buffer.from(text)),
    ];
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(Buffer.concat([login, ready, fatal])));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const dying = open(`postgres://postgres@127.0.0.1:${port}/none`);
    for (let n = 0; n < 5; n += 1)
      expect(await failure(dying.read(statement("select 1"), []))).toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await dying.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it("what a statement did wrong passes as it is, and its connection stays in use", async () => {
    const before = await db.read<{ pid: number }>(statement("select pg_backend_pid() pid"), []);
    const error = await failure(db.read(statement("select 1 / $1::integer"), [0]));
    expect(error).not.toBeInstanceOf(MillpondError);
    expect(sqlState(error)).toBe("22012");
    expect(await db.read(statement("select pg_backend_pid() pid"), [])).toEqual(before);
  });

  it("readers cannot write", async () => {
    expect(await failure(db.read(statement("delete from request"), []))).toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });

  it("a deadlock is tried again until both have succeeded", async () => {
    await admin.query("create table pair (id integer primary key, n integer not null)");
    await admin.query("insert into pair values (1, 0), (2, 0)");
    await admin.query(`create function add_to(a integer, b integer) returns void language plpgsql as $$
      begin
        update pair set n = n + 1 where id = a;
        perform pg_sleep(0.2);
        update pair set n = n + 1 where id = b;
      end $$`);
    const add = { name: "add", text: "select add_to($1, $2)" };
    await Promise.all([db.write(add, [1, 2]), db.write(add, [2, 1])]);
    expect((await admin.query("select n from pair")).rows).toEqual([{ n: 2 }, { n: 2 }]);
  });
});

describe("functions that a migration replaces while they are called", () => {
  const call = { name: "outer", text: "select outer_one() n" };

  it("one that is gone is called again when it is back", async () => {
    await admin.query(`
      create sequence calls;
      create function outer_one() returns bigint language plpgsql as $$ begin perform nextval('calls'); return inner_one(); end $$`);
    const writing = db.write(call, []);
    await until("it has been called", async () => {
      const { rows } = await admin.query<{ is_called: boolean }>("select is_called from calls");
      return rows[0]?.is_called === true;
    });
    await admin.query("create function inner_one() returns bigint language sql as $$ select 7::bigint $$");
    expect(await writing).toEqual([{ n: 7n }]);
  });

  it("one whose cached plan names the old one is called again; other internal errors are not", async () => {
    const failing = (message: string) => `
      create or replace function outer_one() returns bigint language plpgsql as $$ begin
        if nextval('calls') = 1 then raise exception using errcode = 'XX000', message = '${message}'; end if;
        return currval('calls');
      end $$`;
    await admin.query(`create sequence calls; ${failing("cache lookup failed for function 4711")}`);
    expect(await db.write(call, [])).toEqual([{ n: 2n }]);
    await admin.query(`drop sequence calls; create sequence calls; ${failing("cache lookup failed for type 4711")}`);
    expect(sqlState(await failure(db.write(call, [])))).toBe("XX000");
  });
});

describe("transactions", () => {
  it("a transaction that is taken back answers what would have been, and leaves nothing", async () => {
    await admin.query("insert into queue (namespace_id, kind, execution) values (1, 'k', 1)");
    const written = await db.transaction("rollback", (writer) => createGraph(writer, graphRows({ size: 3 })));
    expect(written.batch).toMatchObject({ total: 3 });
    for (const table of ["batch", "batch_state", "task", "task_state", "ready", "timer", "event_tx"]) {
      expect((await admin.query(`select from ${table}`)).rowCount).toBe(0);
    }
  });

  it("a connection whose transaction broke is not used again, and breaks nothing else", async () => {
    let pid = 0;
    const error = await failure(
      db.readSnapshot(async (read) => {
        pid = (await read<{ pid: number }>(statement("select pg_backend_pid() pid"), []))[0]?.pid ?? 0;
        await admin.query("select pg_terminate_backend($1, 5000)", [pid]);
        await read(statement("select 1"), []);
      }),
    );
    expect(error).toMatchObject({ reason: "STORE_UNAVAILABLE" });
    const [next] = await db.read<{ pid: number }>(statement("select pg_backend_pid() pid"), []);
    expect(next?.pid).not.toBe(pid);
  });

  it("a transaction whose work failed is taken back before its connection is used again", async () => {
    const failed = failure(db.readSnapshot(() => Promise.reject(new Error("changed my mind"))));
    expect(await failed).toEqual(new Error("changed my mind"));
    const level = statement("select current_setting('transaction_isolation') level");
    expect(await db.read(level, [])).toEqual([{ level: "read committed" }]);
  });
});

describe("values of the database", () => {
  it("come as bigint, alone and in arrays, with their nulls", async () => {
    const text =
      "select 9007199254740993::bigint one, array[1, null, -9223372036854775808]::bigint[] some, '{}'::bigint[] none";
    expect(await db.read({ name: "numbers", text }, [])).toEqual([
      { one: 9_007_199_254_740_993n, some: [1n, null, -9_223_372_036_854_775_808n], none: [] },
    ]);
  });

  it.each([
    ["2026-11-21 05:09:07.123456+00", 1_795_237_747_123_456],
    ["2026-11-21 05:09:07+00", 1_795_237_747_000_000],
    ["2026-11-21 05:09:07.000001+00", 1_795_237_747_000_001],
    ["1969-12-31 23:59:59.999999+00", -1],
    ["1969-12-31 23:59:59.5+00", -500_000],
    ["1815-06-18 11:35:00.000007+00", -4_876_806_299_999_993],
  ])("keep the microseconds of %s", async (text, micros) => {
    expect(parseMicros(text)).toBe(micros);
    const echo = { name: "echo", text: "select $1::timestamptz as at" };
    expect(await db.read(echo, [text])).toEqual([{ at: micros }]);
    expect(await db.read(echo, [formatMicros(micros)])).toEqual([{ at: micros }]);
  });
});

/** A port of the loopback interface at which nobody listens. */
async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
