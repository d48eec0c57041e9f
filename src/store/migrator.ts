import { Migrator } from "@mikro-orm/migrations";
import type pg from "pg";
import type { NamedMigration } from "../../migrations/index.ts";
import { openOrm } from "./orm.ts";

/** What {@link openMigrator} works with. */
export interface MigratorOptions {
  readonly url: string;
  readonly connection: pg.ClientConfig;
  /** The table that remembers what has been applied. */
  readonly tableName: string;
  readonly migrations: readonly NamedMigration[];
}

/** What applies migrations and takes them back, each in a transaction of its own. */
export interface OpenMigrator extends AsyncDisposable {
  /** Applies what is pending, and answers the names. */
  up(): Promise<string[]>;
  down(name: string): Promise<void>;
}

/** openMigrator loads the migrations and opens MikroORM's migrator on them. */
export async function openMigrator({ url, connection, tableName, migrations }: MigratorOptions): Promise<OpenMigrator> {
  const migrationsList = await Promise.all(migrations.map(async ({ name, load }) => ({ name, class: await load() })));
  const orm = openOrm(url, {
    driverOptions: { ...connection, max: 1 },
    extensions: [Migrator],
    migrations: {
      tableName,
      migrationsList,
      transactional: true,
      allOrNothing: false,
      // Switching foreign keys off takes a superuser.
      disableForeignKeys: false,
      snapshot: false,
      silent: true,
    },
  });
  const migrator = orm.config.getExtension<Migrator>("@mikro-orm/migrator")!;
  return {
    up: async () => (await migrator.up()).map(({ name }) => name),
    down: async (name) => void (await migrator.down({ migrations: [name] })),
    [Symbol.asyncDispose]: () => orm.close(),
  };
}
