import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import { getBatches, parseBatchJson } from "./batches.ts";
import type { Database, Statement, Writer } from "./database.ts";
import { type LaneRequest, Lanes } from "./lanes.ts";
import { checkReplay, type RequestKey, requestValues } from "./requests.ts";
import { specSql } from "./shared-specs.ts";

/** A task whose rules are replaced. JSON parts are texts, but for its metadata. */
export interface RuledTask {
  readonly id: bigint;
  readonly queue: number;
  readonly flow: number | null;
  readonly metadata: Record<string, unknown> | null;
  readonly expectedCount: bigint | null;
  readonly spec: string | null;
}

/** A task as it is to be. */
export interface RuledTaskRow extends LaneRequest {
  readonly id: bigint;
  readonly spec: string | null;
}

/** What replacing rules did, or would do. */
export interface BatchRulesChange {
  readonly batch: Batch;
  readonly updated: number;
  /** Of the tasks that may start but for their rules: how many the new ones let in, and how many they hold. */
  readonly letIn: bigint;
  readonly held: bigint;
  readonly readyQueues: readonly number[];
}

const findStatement: Statement = { name: "find_request", text: "select * from mp_find_request($1, $2)" };
/** In the order in which everybody takes them; what has ended keeps its rules, and joins, which do no work, have none. */
const lockStatement: Statement = {
  name: "lock_tasks_of_kind",
  text: `select h.id from task_state h where h.status < 6 and h.execution <> 3 and h.id = any (array(select t.id from task t where t.batch_id = $1 and t.queue = any ($2::integer[])))
    order by h.status in (1, 5), h.id for update`,
};
const readStatement: Statement = {
  name: "ruled_tasks",
  text: `select t.id, t.queue, h.flow, t.metadata, t.expected_count "expectedCount", ${specSql} spec from unnest($1::bigint[]) x(id) join task t on t.id = any (array[x.id])
    join task_state h on h.id = any (array[x.id])`,
};
const setStatement: Statement = { name: "set_rules", text: "select * from mp_set_rules($1, $2, $3, $4)" };
const noteStatement: Statement = {
  name: "note_rule_change",
  text: "insert into rule_change (batch_id, change_time, kind, rules, reason, updated) values ($1, clock_timestamp(), $2, $3, $4, $5)",
};
const keepStatement: Statement = {
  name: "keep_rules_answer",
  text: `select mp_keep_request($1, $2, $3, jsonb_build_object('batch', mp_batch_json($4), 'updated', $5::integer, 'let_in', $6::bigint, 'held', $7::bigint))`,
};

/**
 * Replaces the rules of a batch's tasks in some queues, in one transaction: `edit` is given the batch and the tasks, locked, and answers what these become; or
 * throws, and nothing changes. `commit` false: it is taken back, and the answer is what would be. A repeated request_id changes nothing.
 */
export function changeBatchRules(
  db: Database,
  request: RequestKey,
  change: {
    readonly batchId: bigint;
    readonly queues: readonly number[];
    readonly commit: boolean;
    /** What is noted of a change that is committed: the kind, its new rules as a ProtoJSON list, and why. */
    readonly note: { readonly kind: string; readonly rules: string; readonly reason: string };
    readonly edit: (batch: Batch, tasks: readonly RuledTask[]) => readonly RuledTaskRow[];
  },
): Promise<BatchRulesChange> {
  const { batchId, queues } = change;
  const { namespaceId } = request;
  return db.transaction(change.commit ? "commit" : "rollback", async (writer: Writer) => {
    const ids = (await writer.write<{ id: bigint }>(lockStatement, [batchId, queues])).map((row) => row.id);
    // After the locks: of calls with one request_id, those that waited find the answer of the first.
    const earlier = await answered(writer, request);
    if (earlier !== undefined) return earlier;
    const [batch] = await getBatches({ readByKey: writer.write }, namespaceId, [batchId]);
    if (batch === undefined) throw new MillpondError("BATCH_NOT_FOUND", "there is no such batch");
    const rows = change.edit(batch, await writer.write<RuledTask>(readStatement, [ids]));
    const lanes = await new Lanes(writer).intern(namespaceId, rows);
    const [done] = await writer.write<{ o_ready: number[]; o_let_in: bigint; o_held: bigint }>(setStatement, [
      batchId,
      ...[rows.map((row) => row.id), lanes, rows.map((row) => row.spec)],
    ]);
    const [letIn, held] = [done?.o_let_in ?? 0n, done?.o_held ?? 0n];
    const { kind, rules, reason } = change.note;
    if (change.commit) await writer.write(noteStatement, [batchId, kind, rules, reason, rows.length]);
    if (change.commit)
      await writer.write(keepStatement, [...requestValues(request), batchId, rows.length, letIn, held]);
    const [after = batch] = await getBatches({ readByKey: writer.write }, namespaceId, [batchId]);
    return { batch: after, updated: rows.length, letIn, held, readyQueues: done?.o_ready ?? [] };
  });
}

async function answered(writer: Writer, request: RequestKey): Promise<BatchRulesChange | undefined> {
  interface Row {
    o_result: { batch: Record<string, unknown>; updated: number; let_in: number; held: number } | null;
    o_hash: Buffer | null;
  }
  const [earlier] = await writer.write<Row>(findStatement, requestValues(request).slice(0, 2));
  checkReplay(request, earlier?.o_hash ?? null);
  const result = earlier?.o_result;
  if (result === null || result === undefined) return undefined;
  const { updated, let_in, held } = result;
  return { batch: parseBatchJson(result.batch), updated, letIn: BigInt(let_in), held: BigInt(held), readyQueues: [] };
}
