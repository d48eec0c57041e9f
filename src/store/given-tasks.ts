import type { Place } from "../domain/places.ts";
import type { KnownAssignment, Micros, Task } from "../domain/task.ts";
import { Execution, TaskStatus } from "../domain/task-status.ts";
import { firstAttempt } from "./assigned-tasks.ts";
import type { NewTaskRow } from "./create-tasks.ts";

/** What all tasks of a transaction that created some have in common. */
export interface WrittenBy {
  readonly time: Micros;
  /** What the database calls the version of a row that this transaction has written. */
  readonly version: string;
}

interface Given {
  readonly row: NewTaskRow;
  readonly batchId: bigint;
  readonly by: WrittenBy;
  /** What it takes of the memory. */
  readonly size: number;
}

/** What a {@link GivenTasks} is bounded by; for tests, other than the defaults. */
export interface GivenTasksOptions {
  /** How many tasks are known at most. Default 50,000. */
  readonly tasksMax?: number;
  /** About how many bytes they take, with all their texts. Default 32 MiB; one task at most 4 KiB of them. */
  readonly bytesMax?: number;
  /** Tasks are forgotten after this to twice this time. Default 10 s. */
  readonly keptMs?: number;
}

const bytesOfTaskMax = 4_096;
/** A row without its texts. */
const bytesOfRow = 512;

/**
 * GivenTasks knows what tasks were given that this server has created a moment ago: when it claims one for a worker, and nothing of it has changed, it need not read the task, but for what its parents left. It is a matter
 * of speed only: what is not known is read. Tasks are kept only while workers take some here, or, of large graphs, wait for some.
 */
export class GivenTasks {
  readonly #tasksMax: number;
  readonly #bytesMax: number;
  readonly #keptMs: number;
  /** Those of this period, and of the one before. */
  #young = new Map<bigint, Given>();
  #old = new Map<bigint, Given>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #wantedUntilMs = 0;
  #isCollecting = false;

  constructor({ tasksMax = 50_000, bytesMax = 32 * 1024 * 1024, keptMs = 10_000 }: GivenTasksOptions = {}) {
    this.#tasksMax = tasksMax;
    this.#bytesMax = bytesMax;
    this.#keptMs = keptMs;
  }

  /** How many tasks are known. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Keeps what tasks of a batch were given, as long as there is room: those that come first are claimed first. */
  remember(batchId: bigint, tasks: readonly NewTaskRow[], by: WrittenBy): void {
    if (!this.#isWanted) return;
    for (const row of tasks) {
      const size = keptSizeOf(row);
      if (size === undefined) continue;
      if (this.size >= this.#tasksMax || this.#bytes + size > this.#bytesMax) break;
      this.#bytes += size;
      this.#young.set(row.id, { row, batchId, by, size });
    }
    if (this.size > 0) this.#timer ??= setInterval(() => this.#forget(), this.#keptMs).unref();
  }

  /**
   * Collects the tasks of a large graph as its rows are made, to be remembered when they have been written: the first of those that {@link remember} would keep. They take at most half of
   * the room, as most of them wait for others while somebody else's may be claimed at once. One graph is collected at a time; of others nothing is, until that one is disposed of.
   */
  collect(): CollectedTasks {
    const isFree = this.#isWanted && !this.#isCollecting;
    const part = isFree ? 1 / 2 : 0;
    if (isFree) this.#isCollecting = true;
    return new CollectedTasks({
      most: { tasks: Math.floor(this.#tasksMax * part), bytes: this.#bytesMax * part },
      onDispose: () => {
        if (isFree) this.#isCollecting = false;
      },
    });
  }

  /** What a worker is handed for the first attempt of a task of which nothing has changed since its creation; undefined: the task is not known. It is known no more then. */
  take(id: bigint, start: { readonly time: Micros; readonly place: Place }): KnownAssignment | undefined {
    const given = this.#young.get(id) ?? this.#old.get(id);
    if (given === undefined) return undefined;
    if (!this.#young.delete(id)) this.#old.delete(id);
    this.#bytes -= given.size;
    return firstAssignment(given.row, { batchId: given.batchId, by: given.by, ...start });
  }

  /** Says that workers take tasks here. */
  want(): void {
    this.#wantedUntilMs = performance.now() + this.#keptMs;
  }

  get #isWanted(): boolean {
    return performance.now() < this.#wantedUntilMs;
  }

  #forget(): void {
    for (const { size } of this.#old.values()) this.#bytes -= size;
    this.#old = this.#young;
    this.#young = new Map();
    if (this.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** CollectedTasks are rows of a graph that is being written, as far as they are worth keeping. */
export class CollectedTasks implements Disposable {
  readonly #most: { readonly tasks: number; readonly bytes: number };
  readonly #onDispose: () => void;
  #rows: NewTaskRow[] = [];
  #bytes = 0;

  constructor(options: {
    readonly most: { readonly tasks: number; readonly bytes: number };
    readonly onDispose: () => void;
  }) {
    this.#most = options.most;
    this.#onDispose = options.onDispose;
  }

  get rows(): readonly NewTaskRow[] {
    return this.#rows;
  }

  /** Begins anew: so does a transaction that ran into a conflict. */
  begin(): void {
    this.#rows = [];
    this.#bytes = 0;
  }

  /** Adds the next rows, while there is room. */
  add(rows: readonly NewTaskRow[]): void {
    for (const row of rows) {
      const size = keptSizeOf(row);
      if (size === undefined) continue;
      if (this.#rows.length >= this.#most.tasks || this.#bytes + size > this.#most.bytes) return;
      this.#bytes += size;
      this.#rows.push(row);
    }
  }

  [Symbol.dispose](): void {
    this.#onDispose();
  }
}

/** About how much of the memory a row takes that is kept; undefined: it is not. */
function keptSizeOf(row: NewTaskRow): number | undefined {
  if (!isKept(row)) return undefined;
  const size = sizeOf(row);
  return size > bytesOfTaskMax ? undefined : size;
}

/** Whether what a worker is handed of a task is all in its row: {@link firstAssignment}. */
export function isKept(row: NewTaskRow): boolean {
  return (
    row.execution === Execution.WORKER &&
    row.startTime === null &&
    (row.status === TaskStatus.PENDING || row.status === TaskStatus.WAITING)
  );
}

/** What a worker is handed for the first attempt of a task that {@link isKept}, as the database would answer it but for the order of keys in its metadata. One literal without parts: a claim has many tasks. */
export function firstAssignment(
  row: NewTaskRow,
  {
    batchId,
    by,
    time,
    place,
  }: { readonly batchId: bigint; readonly by: WrittenBy; readonly time: Micros; readonly place: Place },
): KnownAssignment {
  const task: Task = {
    id: row.id,
    batchId,
    queue: row.queue,
    status: TaskStatus.RUNNING,
    attempt: firstAttempt.attempt,
    priority: row.priority,
    worker: place.worker,
    successCount: 0n,
    failureCount: 0n,
    startTime: null,
    leaseUntil: time + place.leaseMs * 1_000,
    claimTime: time,
    runTime: time,
    activityTime: time,
    endTime: firstAttempt.endTime,
    depsLeft: firstAttempt.depsLeft,
    execution: row.execution,
    createTime: by.time,
    expectedCount: row.expectedCount,
    givenVersion: by.version,
    cause: firstAttempt.cause,
    culprit: firstAttempt.culprit,
    message: firstAttempt.message,
    code: firstAttempt.code,
    details: firstAttempt.details,
    cancelReason: firstAttempt.cancelReason,
    edits: 0,
    key: row.key,
    name: row.name,
    parents: idsOf(row.parents),
    parentConditions: row.parentConditions === null ? null : itemsOf(row.parentConditions).map(Number),
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, unknown>),
    input: row.input,
    spec: row.spec,
    startTimeoutMs: row.startTimeoutMs,
    inactivityTimeoutMs: BigInt(row.inactivityTimeoutMs),
    executionTimeoutMs: row.executionTimeoutMs === null ? null : BigInt(row.executionTimeoutMs),
    totalTimeoutMs: row.totalTimeoutMs === null ? null : BigInt(row.totalTimeoutMs),
    unmetPolicy: row.unmetPolicy,
    output: firstAttempt.output,
    progress: firstAttempt.progress,
  };
  return { task, parents: row.parents === null ? noParents : undefined, bytes: bytesOf(row) };
}

const noParents: readonly never[] = [];

function idsOf(arrayText: string | null): bigint[] | null {
  return arrayText === null ? null : itemsOf(arrayText).map(BigInt);
}

/** The items of an array of numbers, as the database reads it. */
function itemsOf(arrayText: string): string[] {
  return arrayText.slice(1, -1).split(",");
}

/** How large what it was given is on its way to a worker. */
function bytesOf({ metadata, input, spec }: NewTaskRow): number {
  return bytesOfText(metadata) + bytesOfText(input) + bytesOfText(spec);
}

function bytesOfText(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(text);
}

/** About how much of the memory a row takes. */
function sizeOf(row: NewTaskRow): number {
  const { key, name, metadata, input, spec, parents, parentConditions, children, childConditions } = row;
  let size = bytesOfRow + name.length;
  for (const text of [key, metadata, input, spec, parents, parentConditions, children, childConditions])
    size += text?.length ?? 0;
  return size;
}
