import { Command } from "commander";
import { positiveInteger } from "./option-values.ts";
import { withDatabase } from "./with-database.ts";

interface Options {
  readonly json?: boolean;
}

interface DownOptions extends Options {
  readonly steps: number;
}

/** migrateCommand is `millpond migrate`: brings the database's schema up or back, or shows where it stands. */
export function migrateCommand(): Command {
  const command = new Command("migrate")
    .description("bring the database's schema up or back, or show where it stands")
    .addHelpText(
      "after",
      `
The database is that of DATABASE_URL, or the embedded one in MILLPOND_DATA_DIR, whose server must be stopped.
A server applies what is pending when it starts; this is for those who want to do it themselves.

Examples:
  millpond migrate status
  DATABASE_URL=postgresql://user:password@host/db millpond migrate up
  millpond migrate down --steps 1`,
    );
  command
    .command("up")
    .description("apply the pending migrations")
    .option("--json", "print JSON: the names of those that were applied")
    .addHelpText("after", "\nExample:\n  millpond migrate up")
    .action((options: Options) => withDatabase((url) => up(url, options)));
  command
    .command("down")
    .description("take back the last migrations; their data is lost")
    .option("--steps <n>", "how many", positiveInteger, 1)
    .option("--json", "print JSON: the names of those that were taken back")
    .addHelpText("after", "\nExample:\n  millpond migrate down --steps 2")
    .action((options: DownOptions) => withDatabase((url) => down(url, options)));
  command
    .command("status")
    .description("show every migration and whether it is applied")
    .option("--json", "print JSON: of each its name, when it was applied, and whether this version knows it")
    .addHelpText("after", "\nExample:\n  millpond migrate status")
    .action((options: Options) => withDatabase((url) => status(url, options)));
  return command;
}

async function up(url: string, { json }: Options): Promise<void> {
  const { migrateUp } = await import("../store/migrate.ts");
  const { applied } = await migrateUp(url);
  if (json) return console.log(JSON.stringify({ applied }));
  for (const name of applied) console.log(`applied   ${name}`);
  if (applied.length === 0) console.log("nothing is pending");
}

async function down(url: string, { steps, json }: DownOptions): Promise<void> {
  const { migrateDown } = await import("../store/migrate.ts");
  const { reverted } = await migrateDown(url, steps);
  if (json) return console.log(JSON.stringify({ reverted }));
  for (const name of reverted) console.log(`taken back   ${name}`);
  if (reverted.length === 0) console.log("nothing is applied");
}

async function status(url: string, { json }: Options): Promise<void> {
  const { migrationStatus } = await import("../store/migrate.ts");
  const migrations = await migrationStatus(url);
  if (json) return console.log(JSON.stringify({ migrations }));
  for (const { name, appliedAt, known } of migrations) {
    const when = appliedAt ? `applied ${appliedAt.toISOString()}` : "pending";
    console.log(`${when.padEnd(32)}  ${name}${known ? "" : "  (known to a newer version only)"}`);
  }
}
