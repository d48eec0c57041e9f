import type { Blocker } from "../domain/blocker.ts";
import { MillpondError } from "../domain/errors.ts";
import type { Task } from "../domain/task.ts";
import { Execution, TaskStatus } from "../domain/task-status.ts";
import { batchIsHeld, fullRules, type Read, ruleHolders, tasksAhead, unmetParents } from "../store/blockers.ts";
import type { Database } from "../store/database.ts";
import type { Queue } from "../store/dictionaries.ts";
import { getTasks } from "../store/tasks.ts";
import { countWorkers } from "../store/workers.ts";

/** What of the workers of this server {@link explainTask} asks. */
export interface KnownWorkers {
  /** Whether somebody waits here who may take from a queue. */
  waitsFor(queue: number): boolean;
  /** Writes which workers have come to this server, where that has not been done: the table has those of all servers. */
  settle(): Promise<void>;
}

/** Which hosts of webhooks this server does not reach. */
export interface KnownHosts {
  /** In how many milliseconds it tries one again; undefined: it reaches it, as far as it knows. */
  retryInMs(host: string): number | undefined;
}

const parentsMax = 100;
const holdersMax = 10;
const aheadMax = 100_000;

/**
 * Says why a task is not running, as one moment has it: what keeps it, in the order in which it would have to go. Nothing: it runs, has ended, or starts this
 * moment. Workers are those that are connected or have asked for tasks lately, at whichever server. Fails with TASK_NOT_FOUND.
 */
export async function explainTask(
  db: Database,
  wanted: {
    readonly namespaceId: number;
    readonly id: bigint;
    readonly workers: KnownWorkers;
    readonly hosts: KnownHosts;
  },
  queueOf: (queue: number) => Promise<Queue>,
): Promise<{ readonly task: Task; readonly blockers: readonly Blocker[] }> {
  const { namespaceId, id, workers, hosts } = wanted;
  const read = await db.readSnapshot(async (one: Read) => {
    const [task] = await getTasks({ readByKey: one }, namespaceId, [id]);
    if (task === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
    return { task, blockers: await blockersOf(one, task), ahead: await aheadOf(one, task) };
  });
  const { task, blockers } = read;
  if (task.status !== TaskStatus.PENDING || blockers.length > 0) return { task, blockers };
  const queue = await queueOf(task.queue);
  const ahead: Blocker[] = read.ahead > 0n ? [{ case: "queue", aheadCount: read.ahead }] : [];
  if (queue.execution === Execution.WEBHOOK) return { task, blockers: [...unreached(hosts, queue), ...ahead] };
  if (queue.execution !== Execution.WORKER || workers.waitsFor(queue.id)) return { task, blockers: ahead };
  await workers.settle();
  return { task, blockers: [await noWorker(db, namespaceId, queue), ...ahead] };
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

/** Of a task that may start and that nobody waits for here: who could take it. */
async function noWorker(db: Database, namespaceId: number, { kind, labels }: Queue): Promise<Blocker> {
  const { kind: kindCount, matching: matchingCount } = await countWorkers(db, namespaceId, { kind, labels });
  return { case: "noWorker", kind, labels, kindCount, matchingCount };
}

function unreached(hosts: KnownHosts, { host }: Queue): Blocker[] {
  const inMs = hosts.retryInMs(host);
  if (inMs === undefined) return [];
  return [{ case: "unreachedHost", host, retryTime: Math.round((Date.now() + inMs) * 1000) }];
}
