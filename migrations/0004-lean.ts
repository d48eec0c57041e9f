import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0004-lean");
const earlier = path.join(import.meta.dirname, "0003-speed");

/** Events that repeat nothing, and less work for each task that is claimed and reported: the SQL files of `0004-lean/`, which replace functions of `0003-speed/`. */
export class LeanMigration extends Migration {
  override async up(): Promise<void> {
    const [functions, replaced] = [await functionsOf(folder), await functionsOf(earlier)];
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of functions) if (replaced.includes(name)) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const [functions, replaced] = [await functionsOf(folder), await functionsOf(earlier)];
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql("drop view event_change");
    this.addSql("alter table event_tx alter column task_ids set storage extended");
    this.addSql("alter table timer alter column task_ids set storage extended");
    for (const name of functions) if (replaced.includes(name)) this.addSql(await sourceOf(earlier, name));
  }
}
