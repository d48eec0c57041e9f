import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0003-speed");
const earlier = path.join(import.meta.dirname, "0002-engine");

/** Creates of many calls together, and dispatch in the commit that makes a task ready: the SQL files of `0003-speed/`, which replace functions of `0002-engine/`. */
export class SpeedMigration extends Migration {
  override async up(): Promise<void> {
    const [functions, replaced] = [await functionsOf(folder), await functionsOf(earlier)];
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of functions) if (replaced.includes(name)) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const [functions, replaced] = [await functionsOf(folder), await functionsOf(earlier)];
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql("drop type mp_slots");
    this.addSql("alter table task_state add column max_attempts smallint not null default 1");
    this.addSql(
      "update task_state h set max_attempts = p.max_attempts from retry_policy p where p.id = h.retry_policy",
    );
    for (const name of functions) if (replaced.includes(name)) this.addSql(await sourceOf(earlier, name));
  }
}
