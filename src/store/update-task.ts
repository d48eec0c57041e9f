import type { Task } from "../domain/task.ts";
import type { EditableTask } from "../domain/updatable-fields.ts";
import type { Database, Statement, Writer } from "./database.ts";
import { Lanes } from "./lanes.ts";
import { type Outcome, type OutcomeRow, outcomeOf } from "./outcome.ts";
import { checkReplay, type RequestKey, requestValues } from "./requests.ts";
import { getTasks } from "./tasks.ts";

const findStatement: Statement = { name: "find_request", text: "select * from mp_find_request($1, $2)" };
/** Before any lock of a row: kinds get a new shape of deduplication while nobody writes metadata. */
const shareGateStatement: Statement = { name: "share_shapes", text: "select pg_advisory_xact_lock_shared(7710, 2)" };
const lockStatement: Statement = {
  name: "lock_task",
  text: "select flow from task_state where id = $1 for update",
};
const updateStatement: Statement = {
  name: "update_task",
  text: "select * from mp_update_task($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
};

/**
 * Changes one task in a transaction: `edit` is given the task, locked, and answers what it becomes, with the bits of the fields that were named
 * (`mp_update_task` has them); or throws, and nothing changes. Absent tasks are undefined to it. A repeated request_id changes nothing.
 */
export async function updateTask(
  db: Database,
  request: RequestKey,
  update: { id: bigint; edit: (task: Task | undefined) => { task: EditableTask; fields: number } },
): Promise<Outcome> {
  return db.transaction("commit", async (writer: Writer) => {
    await writer.write(shareGateStatement, []);
    const [state] = await writer.write<{ flow: number | null }>(lockStatement, [update.id]);
    // After the lock: of calls with one request_id, those that waited find the answer of the first.
    const [earlier] = await writer.write<{ o_hash: Buffer | null }>(findStatement, requestValues(request).slice(0, 2));
    checkReplay(request, earlier?.o_hash ?? null);
    if (earlier?.o_hash) return outcomeOf(undefined);
    const [found] = await getTasks({ readByKey: writer.write }, request.namespaceId, [update.id]);
    const { task, fields } = update.edit(found);
    const wanted = {
      ...{ queue: found?.queue ?? 0, flow: state?.flow ?? null, rules: task.rules, metadata: task.metadata },
    };
    // What this transaction adds to the dictionaries is not known to others before it commits.
    const [lane] = await new Lanes(writer).intern(request.namespaceId, [wanted]);
    const [row] = await writer.write<OutcomeRow>(updateStatement, [
      ...requestValues(request),
      ...[update.id, fields, task.priority, task.metadata, task.expectedCount, task.startTimeoutMs],
      ...[task.inactivityTimeoutMs, task.executionTimeoutMs, task.totalTimeoutMs, task.spec, lane],
    ]);
    return outcomeOf(row);
  });
}
