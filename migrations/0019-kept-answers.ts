import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { folderOf, functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0019-kept-answers");
/** The folders whose functions it replaces, the latest first; all keep their arguments and answers: servers of before go on calling them. */
const earlier = ["0017-claims-and-waits", "0003-speed", "0001-core"].map((name) =>
  path.join(import.meta.dirname, name),
);

/**
 * What most creates keep with their request_id is given by the server that creates, short, and made whole when somebody repeats the call: the SQL files of `0019-kept-answers/`. To put it
 * together took a sixth to a third of what PostgreSQL does for a create of one task.
 */
export class KeptAnswersMigration extends Migration {
  override async up(): Promise<void> {
    for (const name of await functionsOf(folder)) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const functions = await functionsOf(folder);
    this.addSql("update request set result = mp_kept_create(result) where result ? 'new_batch'");
    this.addSql(`drop function ${functions.join(", ")}`);
    for (const name of functions) {
      const replaced = await folderOf(earlier, name);
      if (replaced !== undefined) this.addSql(await sourceOf(replaced, name));
    }
  }
}
