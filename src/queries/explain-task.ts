import type { Blocker } from "../domain/blocker.ts";
import { MillpondError } from "../domain/errors.ts";
import type { Task } from "../domain/task.ts";
import { Execution, TaskStatus } from "../domain/task-status.ts";
import { batchIsHeld, fullRules, type Read, ruleHolders, tasksAhead, unmetParents } from "../store/blockers.ts";
import type { Database } from "../store/database.ts";
import type { Queue } from "../store/dictionaries.ts";
import { getTasks } from "../store/tasks.ts";

/** What of the workers of this server {@link explainTask} asks. */
export interface KnownWorkers {
  /** Whether somebody waits who may take from a queue. */
  waitsFor(queue: number): boolean;
  /** How many workers take a kind, and how many of them have some labels. */
  count(kind: string, required: Readonly<Record<string, string>>): { readonly kind: number; readonly matching: number };
}

const parentsMax = 100;
const holdersMax = 10;
const aheadMax = 100_000;

/**
 * Says why a task is not running, as one moment has it: what keeps it, in the order in which it would have to go. Nothing: it runs, has ended, or starts this
 * moment. Workers are those that asked this server lately. Fails with TASK_NOT_FOUND.
 */
export async function explainTask(
  db: Database,
  { namespaceId, id, workers }: { readonly namespaceId: number; readonly id: bigint; readonly workers: KnownWorkers },
  queueOf: (queue: number) => Promise<Queue>,
): Promise<{ readonly task: Task; readonly blockers: readonly Blocker[] }> {
  const read = await db.readSnapshot(async (one: Read) => {
    const [task] = await getTasks({ readByKey: one }, namespaceId, [id]);
    if (task === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
    return { task, blockers: await blockersOf(one, task), ahead: await aheadOf(one, task) };
  });
  const { task, blockers } = read;
  if (task.status !== TaskStatus.PENDING || blockers.length > 0) return { task, blockers };
  return { task, blockers: turnOf(await queueOf(task.queue), { workers, ahead: read.ahead }) };
}

/** What of the database keeps a task, but for its turn. */
async function blockersOf(read: Read, task: Task): Promise<Blocker[]> {
  const blockers: Blocker[] = [];
  const waits = task.status === TaskStatus.WAITING || task.status === TaskStatus.PAUSED;
  if (!waits && task.status !== TaskStatus.PENDING) return [];
  const batch = task.execution !== Execution.JOIN && (await batchIsHeld(read, task.batchId));
  if (task.status === TaskStatus.PAUSED) blockers.push({ case: "paused", task: true, batch });
  if (waits && task.depsLeft > 0)
    blockers.push({ case: "dependencies", ...(await unmetParents(read, task.id, parentsMax)) });
  if (task.startTime !== null && task.startTime > Date.now() * 1000)
    blockers.push({ case: "startTime", time: task.startTime });
  if (task.status !== TaskStatus.PAUSED && batch) blockers.push({ case: "paused", task: false, batch });
  for (const { keyId, ...full } of await fullRules(read, task.id))
    blockers.push({ case: "rule", ...full, holders: await ruleHolders(read, keyId, holdersMax) });
  return blockers;
}

async function aheadOf(read: Read, task: Task): Promise<bigint> {
  return task.status === TaskStatus.PENDING ? tasksAhead(read, task, aheadMax) : 0n;
}

/** Of a task that may start: who could take it, and who comes first. */
function turnOf(
  { id, kind, labels, execution }: Queue,
  { workers, ahead }: { readonly workers: KnownWorkers; readonly ahead: bigint },
): Blocker[] {
  const queue: Blocker[] = ahead > 0n ? [{ case: "queue", aheadCount: ahead }] : [];
  if (execution !== Execution.WORKER || workers.waitsFor(id)) return queue;
  const { kind: kindCount, matching: matchingCount } = workers.count(kind, labels);
  return [{ case: "noWorker", kind, labels, kindCount, matchingCount }, ...queue];
}
