import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0011-webhooks");
/** The folders whose functions it replaces, the latest first. */
const earlier = ["0006-flow-control", "0002-engine"].map((name) => path.join(import.meta.dirname, name));

/** Webhooks by host, their secrets, and ends that wait for their starts: the SQL files of `0011-webhooks/`. */
export class WebhooksMigration extends Migration {
  override async up(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of functions)
      if ((await folderOf(earlier, name)) !== undefined) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
    this.addSql(await readFile(path.join(folder, "fill-hosts.sql"), "utf8"));
  }

  override async down(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql(await readFile(path.join(folder, "down-tables.sql"), "utf8"));
    for (const name of functions) {
      const replaced = await folderOf(earlier, name);
      if (replaced !== undefined) this.addSql(await sourceOf(replaced, name));
    }
  }
}
