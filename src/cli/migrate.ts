import { Command } from "commander";
import { positiveInteger } from "./option-values.ts";
import { withDatabase } from "./with-database.ts";

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
    .addHelpText("after", "\nExample:\n  millpond migrate up")
    .action(() => withDatabase(up));
  command
    .command("down")
    .description("take back the last migrations; their data is lost")
    .option("--steps <n>", "how many", positiveInteger, 1)
    .addHelpText("after", "\nExample:\n  millpond migrate down --steps 2")
    .action(({ steps }: { steps: number }) => withDatabase((url) => down(url, steps)));
  command
    .command("status")
    .description("show every migration and whether it is applied")
    .addHelpText("after", "\nExample:\n  millpond migrate status")
    .action(() => withDatabase(status));
  return command;
}

async function up(url: string): Promise<void> {
  const { migrateUp } = await import("../store/migrate.ts");
  const { applied } = await migrateUp(url);
  for (const name of applied) console.log(`applied   ${name}`);
  if (applied.length === 0) console.log("nothing is pending");
}

async function down(url: string, steps: number): Promise<void> {
  const { migrateDown } = await import("../store/migrate.ts");
  const { reverted } = await migrateDown(url, steps);
  for (const name of reverted) console.log(`taken back   ${name}`);
  if (reverted.length === 0) console.log("nothing is applied");
}

async function status(url: string): Promise<void> {
  const { migrationStatus } = await import("../store/migrate.ts");
  for (const { name, appliedAt, known } of await migrationStatus(url)) {
    const when = appliedAt ? `applied ${appliedAt.toISOString()}` : "pending";
    console.log(`${when.padEnd(32)}  ${name}${known ? "" : "  (known to a newer version only)"}`);
  }
}
