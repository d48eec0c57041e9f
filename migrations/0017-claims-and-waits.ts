import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0017-claims-and-waits");
/** The folders whose functions it replaces, the latest first; all keep their arguments and answers: servers of before go on calling them. */
const earlier = ["0016-hand-over", "0015-shared-specs", "0014-rules-at-create", "0006-flow-control", "0005-rules"].map(
  (name) => path.join(import.meta.dirname, name),
);

/**
 * A claim tells when it was made and of which tasks something has changed, how long tasks were blocked is kept for the metrics, and rules that hold nothing back cost creates less: the SQL files of
 * `0017-claims-and-waits/`.
 */
export class ClaimsAndWaitsMigration extends Migration {
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
