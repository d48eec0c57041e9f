import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";

const folder = path.join(import.meta.dirname, "0012-event-change");

/** The view of the feed, in time that grows with the changes of a transaction and not with their square: the SQL files of `0012-event-change/`. */
export class EventChangeMigration extends Migration {
  override async up(): Promise<void> {
    this.addSql(await readFile(path.join(folder, "view.sql"), "utf8"));
  }

  override async down(): Promise<void> {
    this.addSql(await readFile(path.join(folder, "down-view.sql"), "utf8"));
  }
}
