import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { createEmptyDatabase, createTestDatabase } from "../support/database.ts";

describe("a test's database", () => {
  it("is a copy of its own: what one test writes no other one sees", async () => {
    await using first = await createTestDatabase();
    await using second = await createTestDatabase();
    await query(first.url, "create table only_here (id int)");
    expect(await query(second.url, "select to_regclass('only_here') as found")).toEqual([{ found: null }]);
  });

  it("has every migration applied, unless an empty one is asked for", async () => {
    await using migrated = await createTestDatabase();
    await using empty = await createEmptyDatabase();
    const count = "select count(*)::int > 0 as some from information_schema.tables where table_schema = 'public'";
    expect(await query(migrated.url, count)).toEqual([{ some: true }]);
    expect(await query(empty.url, count)).toEqual([{ some: false }]);
  });

  it("is removed by drop", async () => {
    const database = await createTestDatabase();
    await database.drop();
    await expect(query(database.url, "select 1")).rejects.toThrow("does not exist");
  });

  it("reports, and closes, a connection that was left open", async () => {
    const database = await createTestDatabase();
    const leak = new Client({ connectionString: database.url, application_name: "forgotten pool" });
    const errors: Error[] = [];
    leak.on("error", (error) => errors.push(error));
    const closed = new Promise<void>((resolve) => leak.once("end", resolve));
    await leak.connect();
    await expect(database.drop(100)).rejects.toThrow("forgotten pool");
    await closed;
    expect(errors[0]?.message).toContain("terminating connection");
  });
});

async function query(connectionString: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
