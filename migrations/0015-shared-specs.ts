import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0015-shared-specs");
/** The folders whose functions it replaces, the latest first; all keep their arguments and answers: servers of before go on calling them. */
const earlier = ["0014-rules-at-create", "0013-hops", "0011-webhooks", "0006-flow-control"].map((name) =>
  path.join(import.meta.dirname, name),
);

/** What tasks of a batch were given alike, once: the SQL files of `0015-shared-specs/`. */
export class SharedSpecsMigration extends Migration {
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
