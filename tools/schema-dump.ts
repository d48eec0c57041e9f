// Writes migrations/schema.sql, or with --check compares it: the dump of a freshly migrated database.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createMigratedDatabase, withClient } from "../test/support/template-database.ts";
import { startTestPostgres } from "../test/support/test-postgres.ts";
import { describeSchema } from "./schema/describe-schema.ts";
import { firstDifference } from "./schema/first-difference.ts";

const file = path.resolve(import.meta.dirname, "../migrations/schema.sql");

const current = await dumpMigratedSchema();
if (process.argv.includes("--check")) {
  const stored = await readFile(file, "utf8").catch(() => "");
  const difference = firstDifference(stored, current);
  if (difference) {
    console.error(`migrations/schema.sql is not what the migrations make (- file, + migrations):\n${difference}`);
    console.error("run: npm run schema");
    process.exitCode = 1;
  }
} else {
  await writeFile(file, current);
  console.log("wrote migrations/schema.sql");
}

async function dumpMigratedSchema(): Promise<string> {
  const postgres = await startTestPostgres();
  try {
    const database = await createMigratedDatabase(postgres.url);
    try {
      return await withClient(database.url, describeSchema);
    } finally {
      await database.drop();
    }
  } finally {
    await postgres.stop();
  }
}
