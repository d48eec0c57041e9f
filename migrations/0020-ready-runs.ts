import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0020-ready-runs");
/** The folders whose functions it replaces, the latest first; all keep their arguments and answers: servers of before go on calling them. */
const earlier = ["0018-rows-by-array", "0016-hand-over", "0006-flow-control", "0002-engine"].map((name) =>
  path.join(import.meta.dirname, name),
);

/** Tasks of consecutive ids that may start stand in one row, which is claimed as a whole or in part: the SQL files of `0020-ready-runs/`. */
export class ReadyRunsMigration extends Migration {
  override async up(): Promise<void> {
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
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
