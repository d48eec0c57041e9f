import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0009-workers");

/** Workers that are connected: the SQL files of `0009-workers/`. It replaces nothing. */
export class WorkersMigration extends Migration {
  override async up(): Promise<void> {
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    this.addSql(`drop function ${(await functionsOf(folder)).join(", ")}`);
    this.addSql("drop table worker_presence");
  }
}
