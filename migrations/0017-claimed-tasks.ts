import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0017-claimed-tasks");
/** The folders whose functions it replaces, the latest first; all keep their arguments and answers: servers of before go on calling them. */
const earlier = ["0016-hand-over", "0006-flow-control"].map((name) => path.join(import.meta.dirname, name));

/** A claim tells when it was made and of which tasks something has changed; and rules that hold nothing back cost creates less: the SQL files of `0017-claimed-tasks/`. */
export class ClaimedTasksMigration extends Migration {
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
