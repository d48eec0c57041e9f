import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0005-rules");
/** The folders whose functions it replaces, the latest first. */
const earlier = ["0004-lean", "0003-speed", "0002-engine", "0001-core"].map((name) =>
  path.join(import.meta.dirname, name),
);

/** Limits on starts: the SQL files of `0005-rules/`. */
export class RulesMigration extends Migration {
  override async up(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of functions)
      if ((await folderOf(earlier, name)) !== undefined) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql("drop table blocked, holder, rate_start, rule_alarm, rule_usage, lane_key, lane, rule_key, rule");
    this.addSql("alter table task_state drop column lane");
    this.addSql("alter table batch_state drop column limited");
    this.addSql("alter table ready drop column lane");
    this.addSql("alter table parked drop column lane");
    for (const name of functions) {
      const replaced = await folderOf(earlier, name);
      if (replaced !== undefined) this.addSql(await sourceOf(replaced, name));
    }
  }
}
