import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0016-hand-over");
/** The folders whose functions it replaces, the latest first. */
const earlier = ["0014-rules-at-create", "0013-hops", "0006-flow-control"].map((name) =>
  path.join(import.meta.dirname, name),
);
/** Functions that get further arguments or answers: only others call them. What servers call keeps both. */
const changed = ["mp_append_event", "mp_apply_rules", "mp_choose_lanes", "mp_offer"];

/** What a rule has room for again starts in the commit that makes the room: the SQL files of `0016-hand-over/`. */
export class HandOverMigration extends Migration {
  override async up(): Promise<void> {
    this.addSql(`drop function ${changed.join(", ")}`);
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
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
