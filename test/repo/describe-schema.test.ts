import { describe, expect, it } from "vitest";
import { describeSchema } from "../../tools/schema/describe-schema.ts";
import { createEmptyDatabase, createTestDatabase } from "../support/database.ts";
import { withClient } from "../support/template-database.ts";

const definition = `
  create schema other;
  create type color as enum ('red', 'green');
  create domain positive as int constraint above_zero check (value > 0);
  create sequence plain_seq increment 5 cache 10;
  create table parent (
    id bigint generated always as identity,
    serial_no bigserial,
    name text not null default 'x' collate "C",
    shade color,
    amount positive,
    doubled bigint generated always as (serial_no * 2) stored,
    constraint parent_pkey primary key (id) with (fillfactor = 80),
    constraint name_short check (length(name) < 100)
  ) with (fillfactor = 50, toast.autovacuum_enabled = false);
  alter table parent alter name set storage external, alter name set statistics 200;
  comment on table parent is 'it''s a parent';
  comment on column parent.name is 'what it is called';
  create unlogged table other.child (parent_id bigint not null, constraint child_parent_fk foreign key (parent_id)
    references parent (id) on delete cascade deferrable);
  create index child_parent_idx on other.child (parent_id) where parent_id > 0;
  create table log (at timestamptz not null, line text, constraint log_pkey primary key (at)) partition by range (at);
  create table log_first partition of log for values from (minvalue) to (maxvalue) with (fillfactor = 90);
  create function touch() returns trigger language plpgsql as $$ begin return new; end $$;
  create trigger parent_touch before update on parent for each row execute function touch();
  create view one as select 1 as id;
  comment on function touch() is 'does nothing';
  create procedure act(n int) language sql as 'select 1';
`;

describe("the dump of a schema", () => {
  it("shows everything that a migration can define, the same on every supported version of PostgreSQL", async () => {
    await using database = await createEmptyDatabase();
    const text = await withClient(database.url, async (client) => {
      await client.query(definition);
      return describeSchema(client);
    });
    await expect(text).toMatchFileSnapshot("golden/describe-schema.sql");
  });

  it("does not depend on the order in which objects were created", async () => {
    await using first = await createEmptyDatabase();
    await using second = await createEmptyDatabase();
    const a =
      "create table a (id int, constraint one check (id > 0), constraint two check (id < 9)); create index on a (id);";
    const b = "create table b (id int); create function f() returns int language sql as 'select 1';";
    const described = await Promise.all([
      withClient(first.url, async (client) => client.query(a + b).then(() => describeSchema(client))),
      withClient(second.url, async (client) => client.query(b + a).then(() => describeSchema(client))),
    ]);
    expect(described[0]).toBe(described[1]);
  });

  it("is the same for the template and its clones", async () => {
    await using first = await createTestDatabase();
    await using second = await createTestDatabase();
    expect(await withClient(first.url, describeSchema)).toBe(await withClient(second.url, describeSchema));
  });
});
