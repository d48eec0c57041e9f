import { randomUUID } from "node:crypto";
import { Client, escapeIdentifier } from "pg";
import { migrateUp } from "../../src/store/migrate.ts";

/** A database with every migration applied. */
export interface MigratedDatabase {
  name: string;
  url: string;
  /** Removes the database, and every clone of it that a test left behind. */
  drop(): Promise<void>;
}

/** Creates a database on the server at `serverUrl` and migrates it. */
export async function createMigratedDatabase(serverUrl: string): Promise<MigratedDatabase> {
  const name = `millpond_test_${randomUUID().slice(0, 8)}`;
  await withClient(serverUrl, (client) =>
    client.query(`create database ${escapeIdentifier(name)} template template0 encoding 'UTF8'`),
  );
  const url = databaseUrl(serverUrl, name);
  await migrateUp(url);
  return { name, url, drop: () => dropWithClones(serverUrl, name) };
}

/** Creates a migrated database to which nobody can connect, so that it can be cloned at any time. */
export async function createTemplateDatabase(serverUrl: string): Promise<MigratedDatabase> {
  const database = await createMigratedDatabase(serverUrl);
  await withClient(serverUrl, (client) =>
    client.query(`alter database ${escapeIdentifier(database.name)} is_template true allow_connections false`),
  );
  return database;
}

/** The URL of the database `name` on the server at `serverUrl`. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** The name of a new clone of `template`; the prefix is how a dropped template finds what is left of its clones. */
export function cloneName(template: string): string {
  return `${template}_${randomUUID().slice(0, 13)}`;
}

/** Runs `work` with a connection to the server at `serverUrl`, and closes it. */
export async function withClient<T>(serverUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: serverUrl, application_name: "millpond-test-support" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function dropWithClones(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    const clones = await client.query<{ datname: string }>(
      "select datname from pg_database where starts_with(datname, $1) order by datname",
      [`${name}_`],
    );
    for (const { datname } of clones.rows) {
      await client.query(`drop database if exists ${escapeIdentifier(datname)} with (force)`);
    }
    await client.query(`alter database ${escapeIdentifier(name)} is_template false`);
    await client.query(`drop database ${escapeIdentifier(name)}`);
  });
}
