import pg from "pg";
import { type NamedMigration, migrations as ownMigrations } from "../../migrations/index.ts";
import type { OpenMigrator } from "./migrator.ts";

/** A migration that this server knows, or that the database has applied. */
export interface MigrationState {
  readonly name: string;
  /** Absent while it is pending. */
  readonly appliedAt?: Date;
  /** False for one that only a newer server knows. */
  readonly known: boolean;
}

/** NewerDatabaseError refuses a database with migrations that this server does not know: it could not keep their promises. */
export class NewerDatabaseError extends Error {
  readonly migrations: readonly string[];

  constructor(migrations: readonly string[]) {
    const count = migrations.length === 1 ? "1 migration" : `${migrations.length} migrations`;
    super(
      `the database is newer than this server: it has ${count} that this server does not know (${migrations.join(", ")}); ` +
        `run the newer version of Millpond, or take the database back by ${count} with that version's \`millpond migrate down\``,
    );
    this.name = "NewerDatabaseError";
    this.migrations = migrations;
  }
}

/** The oldest PostgreSQL that the statements of this server run on, as `server_version_num`. */
const postgresVersionMin = 150_000;

/** Remembers what has been applied. */
const migrationTable = "migration";

/** The advisory lock of everybody who migrates: the letters "mill" as a number, and a number of ours. */
const lockKey = [0x6d696c6c, 1];

/**
 * migrateUp applies what is pending, each migration in a transaction of its own, and answers the names. Servers that start
 * together wait for each other. Fails with {@link NewerDatabaseError}, and on PostgreSQL before 15.
 */
export async function migrateUp(
  url: string,
  migrations: readonly NamedMigration[] = ownMigrations,
): Promise<{ applied: string[] }> {
  return underLock(url, async (client) => {
    const states = await readStates(client, migrations);
    refuseNewer(states);
    if (states.every(({ appliedAt }) => appliedAt !== undefined)) return { applied: [] };
    await using migrator = await openMigrator(url, migrations);
    return { applied: await migrator.up() };
  });
}

/** migrateDown takes back the last `steps` migrations, newest first, and answers their names. Their data is lost. */
export async function migrateDown(
  url: string,
  steps = 1,
  migrations: readonly NamedMigration[] = ownMigrations,
): Promise<{ reverted: string[] }> {
  return underLock(url, async (client) => {
    const states = await readStates(client, migrations);
    refuseNewer(states);
    const names = states.filter(({ appliedAt }) => appliedAt !== undefined).map(({ name }) => name);
    const reverted = names.reverse().slice(0, steps);
    await using migrator = await openMigrator(url, migrations);
    for (const name of reverted) await migrator.down(name);
    return { reverted };
  });
}

/** migrationStatus answers every migration that this server or the database knows, in order; it changes nothing. */
export async function migrationStatus(
  url: string,
  migrations: readonly NamedMigration[] = ownMigrations,
): Promise<MigrationState[]> {
  return withClient(url, (client) => readStates(client, migrations));
}

/**
 * Holds the lock in a session of its own. If that session breaks, another server may begin the same migration: each is one
 * transaction and its objects have fixed names, so the second one fails without a trace.
 */
function underLock<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return withClient(url, async (client) => {
    await client.query("select pg_advisory_lock($1, $2)", lockKey);
    return work(client);
  });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connection(url));
  // The query under way, or the next one, fails with the same error; without a listener it would end the process.
  client.on("error", () => {});
  await client.connect();
  try {
    await refuseOldPostgres(client);
    return await work(client);
  } finally {
    await client.end();
  }
}

function connection(url: string): pg.ClientConfig {
  const settings = ["statement_timeout=0", "lock_timeout=0", "timezone=UTC", "client_encoding=UTF8"];
  return {
    connectionString: url,
    application_name: "millpond migrate",
    options: settings.map((setting) => `-c ${setting}`).join(" "),
  };
}

async function refuseOldPostgres(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; name: string }>(
    "select current_setting('server_version_num')::integer as number, current_setting('server_version') as name",
  );
  const version = rows[0]!;
  if (version.number < postgresVersionMin) {
    throw new Error(`Millpond needs PostgreSQL 15 or later, but this server is PostgreSQL ${version.name}`);
  }
}

async function readStates(client: pg.Client, migrations: readonly NamedMigration[]): Promise<MigrationState[]> {
  const applied = await readApplied(client);
  const known = migrations.map(({ name }): MigrationState => {
    const appliedAt = applied.get(name);
    return { name, known: true, ...(appliedAt && { appliedAt }) };
  });
  const names = new Set(known.map(({ name }) => name));
  const unknown = [...applied].filter(([name]) => !names.has(name));
  return [...known, ...unknown.map(([name, appliedAt]) => ({ name, known: false, appliedAt }))];
}

async function readApplied(client: pg.Client): Promise<Map<string, Date>> {
  const table = await client.query("select to_regclass($1) as oid", [`public.${migrationTable}`]);
  if (table.rows[0].oid === null) return new Map();
  const { rows } = await client.query<{ name: string; executed_at: Date }>(
    `select name, executed_at from public.${migrationTable} order by id`,
  );
  return new Map(rows.map(({ name, executed_at }) => [name, executed_at]));
}

function refuseNewer(states: readonly MigrationState[]): void {
  const unknown = states.filter(({ known }) => !known);
  if (unknown.length > 0) throw new NewerDatabaseError(unknown.map(({ name }) => name));
}

/** MikroORM is loaded only where there is something to migrate: it takes a fifth of a second and 45 MB. */
async function openMigrator(url: string, migrations: readonly NamedMigration[]): Promise<OpenMigrator> {
  const { openMigrator } = await import("./migrator.ts");
  return openMigrator({ url, connection: connection(url), tableName: migrationTable, migrations });
}
