import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0018-rows-by-array");
/** The folders whose functions it replaces, the latest first; all keep their arguments and answers: servers of before go on calling them. */
const earlier = ["0017-claims-and-waits", "0016-hand-over", "0013-hops", "0006-flow-control"].map((name) =>
  path.join(import.meta.dirname, name),
);

/**
 * Claims, reports and what follows from them find their rows by one scan of an index for all, where a join looked for each by itself, arrays may end where all that follows is the same, and the next timer is found without min(): the
 * SQL files of `0018-rows-by-array/`.
 */
export class RowsByArrayMigration extends Migration {
  override async up(): Promise<void> {
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(`drop function ${functions.join(", ")}`);
    for (const name of functions) {
      const replaced = await folderOf(earlier, name);
      if (replaced !== undefined) this.addSql(await sourceOf(replaced, name));
    }
  }
}
