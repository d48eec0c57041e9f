import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0013-hops");
/** The folders whose functions it replaces, the latest first. */
const earlier = ["0011-webhooks", "0006-flow-control"].map((name) => path.join(import.meta.dirname, name));

/** What a hop from a report to the next assignment costs: the SQL files of `0013-hops/`. */
export class HopsMigration extends Migration {
  override async up(): Promise<void> {
    const functions = await functionsOf(folder);
    for (const name of functions)
      if ((await folderOf(earlier, name)) !== undefined) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
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
