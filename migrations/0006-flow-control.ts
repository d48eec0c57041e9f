import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0006-flow-control");
/** The folders whose functions it replaces, the latest first. */
const earlier = ["0005-rules", "0004-lean", "0003-speed", "0002-engine", "0001-core"].map((name) =>
  path.join(import.meta.dirname, name),
);

/** Turns within a priority, and rules for less: the SQL files of `0006-flow-control/`. */
export class FlowControlMigration extends Migration {
  override async up(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of functions)
      if ((await folderOf(earlier, name)) !== undefined) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql(await readFile(path.join(folder, "down-tables.sql"), "utf8"));
    for (const name of functions) {
      const replaced = await folderOf(earlier, name);
      if (replaced !== undefined) this.addSql(await sourceOf(replaced, name));
    }
  }
}
