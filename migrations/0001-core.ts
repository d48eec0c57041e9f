import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";

const folder = path.join(import.meta.dirname, "0001-core");

/** What the functions are made of: it comes before them. */
const foundation = ["tables.sql", "change.sql"];

/** The tables, the functions that change them, and what both share: the SQL files of `0001-core/`. */
export class Core extends Migration {
  override async up(): Promise<void> {
    for (const file of [...foundation, ...(await functionFiles())]) {
      this.addSql(await readFile(path.join(folder, file), "utf8"));
    }
  }

  override async down(): Promise<void> {
    const functions = (await functionFiles()).map((file) => path.basename(file, ".sql"));
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql("drop type mp_changes");
    this.addSql(
      `drop table event_tx, request, timer, task_attempt, edge_late, ready, task_state, task, batch_queue, batch_state, batch,
        worker, queue, namespace, instance`,
    );
    this.addSql("drop sequence event_seq, id_block");
  }
}

/** One file per function, named after it. */
async function functionFiles(): Promise<string[]> {
  return (await readdir(folder)).filter((file) => /^mp_\w+\.sql$/.test(file)).sort();
}
