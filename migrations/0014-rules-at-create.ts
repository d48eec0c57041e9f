import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0014-rules-at-create");
/** The folder whose functions it replaces, all with the arguments and answers that they had: servers of before go on calling them. */
const earlier = path.join(import.meta.dirname, "0006-flow-control");

/** Tasks with rules start in the commit that creates them: the SQL files of `0014-rules-at-create/`. */
export class RulesAtCreateMigration extends Migration {
  override async up(): Promise<void> {
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(`drop function ${functions.join(", ")}`);
    for (const name of functions) this.addSql(await sourceOf(earlier, name));
  }
}
