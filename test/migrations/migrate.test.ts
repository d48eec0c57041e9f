import { randomUUID } from "node:crypto";
import { Migration } from "@mikro-orm/migrations";
import { escapeIdentifier } from "pg";
import { describe, expect, it } from "vitest";
import { migrations, type NamedMigration } from "../../migrations/index.ts";
import { migrateDown, migrateUp, migrationStatus, NewerDatabaseError } from "../../src/store/migrate.ts";
import { describeSchema } from "../../tools/schema/describe-schema.ts";
import { createEmptyDatabase, createTestDatabase } from "../support/database.ts";
import { readObjects, rowsOf, withDatabase } from "./catalog.ts";

const names = migrations.map(({ name }) => name);

const migrationTable = [
  "column migration.executed_at timestamp(6) with time zone",
  "column migration.id integer",
  "column migration.name character varying(255)",
  "column migration_id_seq.is_called boolean",
  "column migration_id_seq.last_value bigint",
  "column migration_id_seq.log_cnt bigint",
  "column migration_pkey.id integer",
  "constraint migration_pkey PRIMARY KEY (id)",
  "relation S migration_id_seq",
  "relation i migration_pkey",
  "relation r migration",
  "type b _migration",
  "type c migration",
];

describe("the migrations", () => {
  it("make the schema, take all of it away again, and make the same one anew", async () => {
    await using database = await createEmptyDatabase();
    const empty = await readObjects(database.url);
    expect(await migrateUp(database.url)).toEqual({ applied: names });
    const objects = await readObjects(database.url);
    const schema = await withDatabase(database.url, describeSchema);
    expect(objects).toContain("relation r task_state");

    expect(await migrateDown(database.url, names.length)).toEqual({ reverted: names.toReversed() });
    const left = (await readObjects(database.url)).filter((object) => !empty.includes(object));
    expect(left).toEqual(migrationTable);

    expect(await migrateUp(database.url)).toEqual({ applied: names });
    expect(await readObjects(database.url)).toEqual(objects);
    expect(await withDatabase(database.url, describeSchema)).toBe(schema);
  });

  it("forget who took turns together: a lane of before is nobody's when turns come back", async () => {
    await using database = await createEmptyDatabase();
    await migrateUp(database.url);
    await rowsOf(
      database.url,
      `insert into lane (namespace_id, queue, flow, rules, keys, types, bounds, windows, has_capacity, digest)
        values (1, 1, 1, '{1}', '{1}', '{1}', '{1}', '{0}', false, '1/1 1:1')`,
    );
    const later =
      names.length - names.findIndex((name) => name.includes("FlowControl") || name.includes("flow-control"));
    await migrateDown(database.url, later);
    await migrateUp(database.url);
    expect(await rowsOf(database.url, "select digest from lane where digest = '1/1 1:1'")).toEqual([]);
  });

  it("find out the hosts of webhooks that are still to be called, and keep those of queues over a way down", async () => {
    await using database = await createEmptyDatabase();
    const before = names.findIndex((name) => name.includes("webhooks"));
    await migrateUp(database.url, migrations.slice(0, before));
    const spec = JSON.stringify({
      onSuccess: [{ url: "https://a.example/", body: "\0" }],
      onCancel: [{ url: "http://b" }],
    });
    await rowsOf(
      database.url,
      `insert into batch (id, namespace_id, create_time, name, metadata, on_complete) values (1, 1, now(), 'b', '{}', '[{"url":"https://c.example:8080/"}]');
       insert into queue (namespace_id, kind, execution) values (1, 'k', 2);
       insert into task (id, batch_id, create_time, namespace_id, queue, name, spec)
         values (10, 1, now(), 1, 1, 't', '${spec}'), (11, 1, now(), 1, 1, 't', '{"onSuccess":[');
       insert into delivery (batch_id, task_id, namespace_id, trigger, position, attempt, due, create_time, state, webhook)
         select 1, x.task, 1, x.trigger, x.position, 1, now(), now(), x.state, x.webhook from (values
           (10, 1, 0, 1, null), (10, 1, 7, 1, null), (10, 1, 0, 2, null), (10, 2, 0, 3, null), (10, 3, 0, 3, null), (0, 4, 0, 1, null),
           (10, 5, 0, 1, '{"url":"HTTP://D:80"}'), (10, 5, 0, 1, 'none'), (11, 1, 0, 1, null)) x(task, trigger, position, state, webhook)`,
    );
    const queues = () => rowsOf(database.url, "select host, labels from queue order by id");
    await migrateUp(database.url);
    expect(await rowsOf(database.url, "select host from delivery order by id")).toEqual(
      ["a.example", "", "", "", "b", "c.example:8080", "d", "", ""].map((host) => ({ host })),
    );
    const addQueue = () =>
      rowsOf(
        database.url,
        "insert into queue (namespace_id, kind, execution, host) values (1, 'k', 2, 'a.example') on conflict do nothing",
      );
    const kept = [
      { host: "", labels: {} },
      { host: "a.example", labels: {} },
    ];
    for (const _ of ["once", "again"]) {
      await addQueue();
      expect(await queues()).toEqual(kept);
      await migrateDown(database.url, names.length - before);
      await migrateUp(database.url);
    }
    expect(await queues()).toEqual(kept);
  });

  it("keep who holds slots over a way down: a row for each lane of who was let in together under many", async () => {
    await using database = await createEmptyDatabase();
    await migrateUp(database.url);
    const time = "2026-01-01 00:00:00+00";
    await rowsOf(
      database.url,
      `insert into hold (lane, hold_time, task_ids, lanes, due) values (0, '${time}', '{1,2,3}', '{7,8,7}', '${time}'), (7, '${time}', '{4}', null, '${time}')`,
    );
    await migrateDown(database.url, names.length - names.findIndex((name) => name.includes("claims-and-waits")));
    const left = await rowsOf(
      database.url,
      "select lane::int, task_ids::int[] ids, due = hold_time same from hold order by lane, ids",
    );
    const same = true;
    expect(left).toEqual([
      { lane: 7, ids: [1, 3], same },
      { lane: 7, ids: [4], same },
      { lane: 8, ids: [2], same },
    ]);
  });

  it("leave nothing that may start behind on a way down: tasks of one row stand for themselves then", async () => {
    await using database = await createEmptyDatabase();
    await migrateUp(database.url);
    await rowsOf(
      database.url,
      "insert into ready values (1, 0, 5, null, 0); insert into ready_run values (1, 0, 10, 3), (2, -7, 20, 2)",
    );
    const all = "select queue, rank, flow, id::int, lane from";
    const before = await rowsOf(database.url, `${all} ready_task order by id`);
    expect(before).toHaveLength(6);
    await migrateDown(database.url, names.length - names.findIndex((name) => name.includes("ready-runs")));
    expect(await rowsOf(database.url, `${all} ready order by id`)).toEqual(before);
  });

  it("need no superuser: the owner of the database is enough", async () => {
    await using database = await createEmptyDatabase();
    const url = new URL(database.url);
    const name = escapeIdentifier(url.pathname.slice(1));
    const role = `owner_${randomUUID().slice(0, 8)}`;
    await rowsOf(database.url, `create role "${role}" login password 'plain'`);
    await rowsOf(database.url, `alter database ${name} owner to "${role}"`);
    try {
      url.username = role;
      url.password = "plain";
      expect(await migrateUp(url.href)).toEqual({ applied: names });
      expect(await migrateDown(url.href)).toEqual({ reverted: names.slice(-1) });
    } finally {
      await rowsOf(database.url, `reassign owned by "${role}" to current_user`);
      await rowsOf(database.url, `drop role "${role}"`);
    }
  });
});

describe("migrateUp", () => {
  it("changes nothing when nothing is pending", async () => {
    await using database = await createTestDatabase();
    const before = await migrationStatus(database.url);
    expect(await migrateUp(database.url)).toEqual({ applied: [] });
    expect(await migrationStatus(database.url)).toEqual(before);
  });

  it("waits for another server that migrates the same database, and applies each migration once", async () => {
    await using database = await createEmptyDatabase();
    const results = await Promise.all([1, 2, 3].map(() => migrateUp(database.url)));
    expect(results.flatMap(({ applied }) => applied)).toEqual(names);
    expect(await rowsOf(database.url, "select name from migration order by id")).toEqual(
      names.map((name) => ({ name })),
    );
    expect(await rowsOf(database.url, "select count(*)::integer as rows from instance")).toEqual([{ rows: 1 }]);
  });

  it("leaves no trace of a migration that fails, keeps those before it, and goes on there next time", async () => {
    await using database = await createEmptyDatabase();
    const first = { name: "0001-first", load: migration(["create table first (id integer)"]) };
    const broken = { name: "0002-second", load: migration(["create table second (id integer)", "select 1 / 0"]) };
    await expect(migrateUp(database.url, [first, broken])).rejects.toThrow("division by zero");
    expect(await tables(database.url)).toEqual(["first", "migration"]);

    const mended = { name: "0002-second", load: migration(["create table second (id integer)"]) };
    expect(await migrateUp(database.url, [first, mended])).toEqual({ applied: ["0002-second"] });
    expect(await tables(database.url)).toEqual(["first", "migration", "second"]);
  });

  it("takes the SQL of a migration as it stands: question marks, colons and several statements", async () => {
    await using database = await createEmptyDatabase();
    const sql = `create function has(doc jsonb, name text) returns boolean language plpgsql as $$
        begin
          return doc ? name and ':name' <> '$1?'; -- what? :this
        end $$;
      create table answer as select has('{"a": 1}'::jsonb, 'a') as value;`;
    await migrateUp(database.url, [{ name: "0001-text", load: migration([sql]) }]);
    expect(await rowsOf(database.url, "select value from answer")).toEqual([{ value: true }]);
    const [body] = await rowsOf<{ text: string }>(
      database.url,
      "select prosrc as text from pg_proc where proname = 'has'",
    );
    expect(body?.text).toContain("return doc ? name and ':name' <> '$1?'; -- what? :this");
  });

  it("refuses a PostgreSQL before 15 and names its version", async () => {
    await using database = await createEmptyDatabase();
    await withDatabase(database.url, async (client) => {
      await client.query("create schema older");
      await client.query(
        `create function older.current_setting(name text) returns text language sql
         as $$ select case name when 'server_version_num' then '140011' else '14.11' end $$`,
      );
      await client.query(
        `alter database ${escapeIdentifier(new URL(database.url).pathname.slice(1))} set search_path = older, pg_catalog, public`,
      );
    });
    await expect(migrateUp(database.url)).rejects.toThrow(
      "Millpond needs PostgreSQL 15 or later, but this server is PostgreSQL 14.11",
    );
    expect(await tables(database.url)).toEqual([]);
  });
});

describe("a database that is newer than the server", () => {
  const future: NamedMigration[] = [
    ...migrations,
    { name: "9998-rules", load: migration(["create table later_rule (id integer)"], ["drop table later_rule"]) },
    { name: "9999-quotas", load: migration(["create table quota (id integer)"], ["drop table quota"]) },
  ];

  it("is refused with the migrations in question and the ways out, and stays as it is", async () => {
    await using database = await createTestDatabase();
    expect(await migrateUp(database.url, future)).toEqual({ applied: ["9998-rules", "9999-quotas"] });
    const objects = await readObjects(database.url);

    const refusal = await migrateUp(database.url).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(NewerDatabaseError);
    expect(refusal).toMatchObject({
      migrations: ["9998-rules", "9999-quotas"],
      message:
        "the database is newer than this server: it has 2 migrations that this server does not know (9998-rules, 9999-quotas); " +
        "run the newer version of Millpond, or take the database back by 2 migrations with that version's `millpond migrate down`",
    });
    await expect(migrateDown(database.url)).rejects.toThrow(NewerDatabaseError);
    expect(await readObjects(database.url)).toEqual(objects);
  });

  it("is taken again after the newer version has taken it back", async () => {
    await using database = await createTestDatabase();
    await migrateUp(database.url, future);
    expect(await migrateDown(database.url, 2, future)).toEqual({ reverted: ["9999-quotas", "9998-rules"] });
    expect(await migrateUp(database.url)).toEqual({ applied: [] });
  });
});

describe("migrationStatus", () => {
  it("lists what is applied, what is pending and what only a newer server knows, and changes nothing", async () => {
    await using database = await createEmptyDatabase();
    expect(await migrationStatus(database.url)).toEqual(names.map((name) => ({ name, known: true })));
    expect(await tables(database.url)).toEqual([]);

    await migrateUp(database.url);
    await rowsOf(database.url, "insert into migration (name) values ('9999-future')");
    const pending = { name: "9000-pending", load: migration([]) };
    expect(await migrationStatus(database.url, [...migrations, pending])).toEqual([
      ...names.map((name) => ({ name, known: true, appliedAt: expect.any(Date) })),
      { name: "9000-pending", known: true },
      { name: "9999-future", known: false, appliedAt: expect.any(Date) },
    ]);
  });
});

/** A migration class that runs the given statements. */
function migration(up: readonly string[], down: readonly string[] = []): NamedMigration["load"] {
  return async () =>
    class extends Migration {
      override up(): void {
        for (const sql of up) this.addSql(sql);
      }

      override down(): void {
        for (const sql of down) this.addSql(sql);
      }
    };
}

async function tables(url: string): Promise<string[]> {
  const rows = await rowsOf<{ name: string }>(
    url,
    "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
  );
  return rows.map(({ name }) => name);
}
