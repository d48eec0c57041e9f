import { readFile } from "node:fs/promises";
import path from "node:path";
import { Migration } from "@mikro-orm/migrations";
import { functionsOf, sourceOf } from "./function-files.ts";

const folder = path.join(import.meta.dirname, "0002-engine");
const earlier = path.join(import.meta.dirname, "0001-core");

/** Retries, timeouts, holds, policies, deliveries and deduplication: the SQL files of `0002-engine/`, which replace functions of `0001-core/`. */
export class EngineMigration extends Migration {
  override async up(): Promise<void> {
    const [functions, replaced] = [await functionsOf(folder), await functionsOf(earlier)];
    this.addSql(await readFile(path.join(folder, "tables.sql"), "utf8"));
    for (const name of functions) if (replaced.includes(name)) this.addSql(`drop function ${name}`);
    for (const name of functions) this.addSql(await sourceOf(folder, name));
  }

  override async down(): Promise<void> {
    const [functions, replaced] = [await functionsOf(folder), await functionsOf(earlier)];
    this.addSql(`drop function ${functions.join(", ")}`);
    this.addSql("drop table dedupe_key, dedupe_shape, delivery, follow_up, parked, paused_batch, retry_policy");
    this.addSql("alter table batch_state drop column on_complete, drop column attentive");
    this.addSql("alter table batch drop column on_complete");
    this.addSql("alter table task_attempt drop column claim_time, drop column cancel_webhook");
    this.addSql(`alter table task_state drop column total_deadline, drop column retry_time, drop column execution_timeout_ms, drop column total_timeout_ms,
      drop column retry_policy, drop column edits, drop column requeued, drop column notifies, drop column critical,
      drop column only_for_dependents, drop column serves`);
    for (const name of functions) if (replaced.includes(name)) this.addSql(await sourceOf(earlier, name));
  }
}
