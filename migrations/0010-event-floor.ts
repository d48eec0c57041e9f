import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";

const folder = path.join(import.meta.dirname, "0010-event-floor");

/** How far the feed has been deleted: the SQL file of `0010-event-floor/`. */
export class EventFloorMigration extends Migration {
  override async up(): Promise<void> {
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
  }

  override async down(): Promise<void> {
    this.addSql("alter table instance drop column event_floor");
  }
}
