import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0008-counts");

/** Counters that producers add to, each count once: the SQL files of `0008-counts/`. */
export class CountsMigration extends Migration {
  override async up(): Promise<void> {
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    this.addSql(`drop function ${(await functionsOf(folder)).join(", ")}`);
    this.addSql("drop table count_producer");
  }
}
