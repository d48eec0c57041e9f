import type { EntityMetadata, EntityProperty } from "@mikro-orm/postgresql";
import { describe, expect, it } from "vitest";
import { openOrm } from "../../src/store/orm.ts";
import { createTestDatabase } from "../support/database.ts";
import { rowsOf } from "./catalog.ts";

/**
 * What entities do not describe, by choice: functions are files of their own, views are for people, and the list of migrations is MikroORM's. Storage
 * (fillfactor) and sequences that no column owns are beyond its comparison; `migrations/schema.sql` holds them.
 */
const notDescribed = { ignoreRoutines: true, skipTables: ["migration"], skipViews: ["event_change", "ready_task"] };

/** A change that a migration could make without its entity, and what the comparison says then. */
const changes = [
  { sql: "alter table ready add extra integer", report: 'alter table "ready" drop column "extra"' },
  { sql: "alter table task_state drop grown", report: 'alter table "task_state" add "grown"' },
  { sql: "alter table task alter name drop not null", report: 'alter table "task" alter column "name" set not null' },
  { sql: "alter table task_state alter attempt type bigint", report: 'alter column "attempt" type int' },
  { sql: "alter table task_state alter skip drop default", report: 'alter column "skip" set default false' },
  { sql: "create table extra (id integer)", report: 'drop table if exists "extra"' },
  { sql: "drop table edge_late", report: 'create table "edge_late"' },
  { sql: "drop index task_batch", report: 'create index "task_batch" on "task" ("batch_id", "id")' },
  { sql: "create index extra on task_state (status)", report: 'drop index "extra"' },
  { sql: "alter table worker drop constraint worker_name_key", report: 'add constraint "worker_name_key" unique' },
  {
    sql: "alter table batch_state drop constraint batch_state_counts",
    report: 'add constraint "batch_state_counts" check',
  },
  {
    sql: "alter table queue drop constraint queue_namespace_fkey",
    report: 'add constraint "queue_namespace_fkey" foreign key',
  },
  {
    sql: "drop index task_open_batch_key; create unique index task_open_batch_key on task (open_batch_id, key)",
    report: 'create unique index "task_open_batch_key"',
  },
];

describe("the entities", () => {
  it("are what the migrations make, as MikroORM compares tables, columns, indexes and constraints", async () => {
    await using database = await createTestDatabase();
    expect(await differences(database.url)).toBe("");
  });

  it.each(changes)("are no longer after: $sql", async ({ sql, report }) => {
    await using database = await createTestDatabase();
    await rowsOf(database.url, sql);
    expect(await differences(database.url)).toContain(report);
  });

  it("name every column with the type, nullability, default and identity that the catalog shows", async () => {
    await using database = await createTestDatabase();
    const [described, actual] = [await describedColumns(database.url), await actualColumns(database.url)];
    expect(described.length).toBeGreaterThan(100);
    expect(described).toEqual(actual);
  });

  it.each([
    {
      sql: "alter table timer add extra text not null default 'x'",
      described: [],
      actual: ["timer.extra text not null default 'x'"],
    },
    // MikroORM's comparison does not look at the elements of arrays.
    {
      sql: "alter table task alter parents type integer[]",
      described: ["task.parents bigint[]"],
      actual: ["task.parents integer[]"],
    },
  ])("differ from the catalog in just that column after: $sql", async ({ sql, ...difference }) => {
    await using database = await createTestDatabase();
    await rowsOf(database.url, sql);
    const [described, actual] = [await describedColumns(database.url), await actualColumns(database.url)];
    expect({
      described: described.filter((column) => !actual.includes(column)),
      actual: actual.filter((column) => !described.includes(column)),
    }).toEqual(difference);
  });

  it("name their primary keys' columns in the order of the database", async () => {
    await using database = await createTestDatabase();
    const described = withMetadata(database.url, (tables) =>
      tables.map((table) => `${table.tableName} (${table.getPrimaryProps().map(columnName).join(", ")})`),
    );
    const actual = await rowsOf<{ line: string }>(
      database.url,
      `select format('%s (%s)', conrelid::regclass, (
         select string_agg(a.attname, ', ' order by n) from unnest(k.conkey) with ordinality x(attnum, n)
           join pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.attnum)) as line
         from pg_constraint k where contype = 'p' and connamespace = 'public'::regnamespace and conrelid <> 'migration'::regclass`,
    );
    expect(described.sort()).toEqual(actual.map(({ line }) => line).sort());
  });
});

async function differences(url: string): Promise<string> {
  await using orm = openOrm(url);
  orm.config.set("schemaGenerator", { ...orm.config.get("schemaGenerator"), ...notDescribed });
  return (await orm.schema.getUpdateSchemaSQL({ wrap: false })).trim();
}

function withMetadata<T>(url: string, read: (tables: EntityMetadata[]) => T): T {
  return read([...openOrm(url).getMetadata().getAll().values()]);
}

/** The columns of all entities; the database spells the types (`int` and `integer` are one). */
async function describedColumns(url: string): Promise<string[]> {
  const columns = withMetadata(url, (tables) =>
    tables.flatMap((table) => table.props.map((property) => ({ table: table.tableName, property }))),
  );
  const spelled = await rowsOf<{ type: string }>(
    url,
    "select x::regtype::text as type from unnest($1::text[]) with ordinality t(x, n) order by n",
    [columns.map(({ property }) => property.columnTypes[0])],
  );
  return columns
    .map(({ table, property }, n) =>
      columnLine(`${table}.${columnName(property)}`, spelled[n]!.type, {
        nullable: property.nullable === true,
        default: property.defaultRaw ?? property.default,
        identity: property.generated === "identity",
      }),
    )
    .sort();
}

async function actualColumns(url: string): Promise<string[]> {
  interface Row {
    name: string;
    type: string;
    nullable: boolean;
    default: string | null;
    identity: boolean;
  }
  const rows = await rowsOf<Row>(
    url,
    `select table_name || '.' || column_name as name,
            case when data_type = 'ARRAY' then substr(udt_name, 2)::regtype || '[]' else udt_name::regtype::text end as type,
            is_nullable = 'YES' as nullable,
            regexp_replace(column_default, '::[a-z ]+(\\[\\])?$', '') as default,
            identity_generation is not distinct from 'ALWAYS' as identity
       from information_schema.columns where table_schema = 'public' and table_name not in ('migration', 'event_change', 'ready_task')`,
  );
  return rows.map(({ name, type, ...rest }) => columnLine(name, type, rest)).sort();
}

interface ColumnTraits {
  nullable: boolean;
  default?: unknown;
  identity: boolean;
}

function columnLine(name: string, type: string, { nullable, identity, default: value }: ColumnTraits): string {
  const hasDefault = value !== undefined && value !== null;
  return `${name} ${type}${nullable ? "" : " not null"}${hasDefault ? ` default ${value}` : ""}${identity ? " identity" : ""}`;
}

function columnName(property: EntityProperty): string {
  return property.fieldNames[0]!;
}
