import { BatchStatus, DependencyCondition, TaskStatus, UnmetPolicy } from "@millpond/sdk";

/** A task of the model: what it is made of, and how it stands. */
export interface ModelTask {
  readonly name: string;
  readonly batch: string;
  readonly parents: readonly { readonly name: string; readonly condition: DependencyCondition }[];
  readonly unmetPolicy: UnmetPolicy;
  readonly join: boolean;
  status: TaskStatus;
  attempt: number;
}

interface ModelBatch {
  open: boolean;
  status: BatchStatus;
}

/** How a dependency stands: its parent has not ended, it is met, it asks that the child be skipped, or that it fail. */
type Verdict = "unsettled" | "met" | "skip" | "fail";

/**
 * ReferenceModel says what must become of graphs of tasks. It knows nothing of counters, levels, locks or transactions: after each command it looks at
 * every waiting task, asks each of its dependencies how it stands, and goes on until nothing changes any more.
 */
export class ReferenceModel {
  readonly tasks = new Map<string, ModelTask>();
  readonly batches = new Map<string, ModelBatch>();

  createBatch(name: string, open: boolean): void {
    this.batches.set(name, { open, status: BatchStatus.ACTIVE });
  }

  /** Adds tasks; each parent is one of them or exists. */
  addTasks(tasks: readonly Omit<ModelTask, "status" | "attempt">[]): void {
    for (const task of tasks) this.tasks.set(task.name, { ...task, status: TaskStatus.WAITING, attempt: 0 });
    this.#goOn();
  }

  /** Gives a pending task to a worker: it runs at once. */
  claim(name: string): void {
    const task = this.#task(name);
    if (task.status !== TaskStatus.PENDING) throw new Error(`${name} was claimed as ${TaskStatus[task.status]}`);
    task.status = TaskStatus.RUNNING;
    task.attempt += 1;
  }

  /** Ends a running task as its executor says. */
  report(name: string, outcome: typeof TaskStatus.SUCCESS | typeof TaskStatus.FAILURE): void {
    const task = this.#task(name);
    if (task.status !== TaskStatus.RUNNING) throw new Error(`a report came for ${name} as ${TaskStatus[task.status]}`);
    task.status = outcome;
    this.#goOn();
  }

  /** Cancels those of some tasks that have not ended, together; answers which. */
  cancel(names: readonly string[]): string[] {
    const canceled = [...new Set(names)].filter((name) => !hasEnded(this.#task(name).status));
    for (const name of canceled) this.#task(name).status = TaskStatus.CANCELED;
    this.#goOn();
    return canceled;
  }

  /** Cancels what of a batch has not ended, closes it and ends it as CANCELED. One that has ended stays as it is. */
  stop(name: string): void {
    const batch = this.#batch(name);
    if (batch.status !== BatchStatus.ACTIVE) return;
    batch.open = false;
    batch.status = BatchStatus.CANCELED;
    this.cancel(this.tasksOf(name).map((task) => task.name));
  }

  /** Closes a batch for new tasks. */
  seal(name: string): void {
    this.#batch(name).open = false;
    this.#goOn();
  }

  tasksOf(batch: string): ModelTask[] {
    return [...this.tasks.values()].filter((task) => task.batch === batch);
  }

  /** The number of tasks of a batch by the name of their status, those that are none left out. */
  countsOf(batch: string): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { status } of this.tasksOf(batch)) {
      const name = TaskStatus[status];
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** Lets every consequence happen. */
  #goOn(): void {
    let changed = true;
    while (changed) {
      changed = false;
      for (const task of this.tasks.values()) {
        if (task.status !== TaskStatus.WAITING) continue;
        const next = this.#next(task);
        if (next === TaskStatus.WAITING) continue;
        task.status = next;
        changed = true;
      }
    }
    for (const [name, batch] of this.batches) this.#endIfDone(name, batch);
  }

  /** What a waiting task becomes now. */
  #next(task: ModelTask): TaskStatus {
    const verdicts = task.parents.map(({ name, condition }) =>
      judge(this.#task(name).status, condition, task.unmetPolicy),
    );
    if (verdicts.includes("fail")) return TaskStatus.FAILURE;
    if (verdicts.includes("unsettled")) return TaskStatus.WAITING;
    if (verdicts.includes("skip")) return TaskStatus.SKIPPED;
    return task.join ? TaskStatus.SUCCESS : TaskStatus.PENDING;
  }

  #endIfDone(name: string, batch: ModelBatch): void {
    if (batch.open || batch.status !== BatchStatus.ACTIVE) return;
    const all = this.tasksOf(name).map((task) => task.status);
    if (!all.every(hasEnded)) return;
    if (all.includes(TaskStatus.FAILURE)) batch.status = BatchStatus.FAILURE;
    else if (all.includes(TaskStatus.CANCELED)) batch.status = BatchStatus.CANCELED;
    else batch.status = BatchStatus.SUCCESS;
  }

  #task(name: string): ModelTask {
    const task = this.tasks.get(name);
    if (task === undefined) throw new Error(`the model has no task ${name}`);
    return task;
  }

  #batch(name: string): ModelBatch {
    const batch = this.batches.get(name);
    if (batch === undefined) throw new Error(`the model has no batch ${name}`);
    return batch;
  }
}

/** Tells whether a task of this status never changes again. */
export function hasEnded(status: TaskStatus): boolean {
  const ends: readonly TaskStatus[] = [TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.CANCELED, TaskStatus.SKIPPED];
  return ends.includes(status);
}

/** How a dependency stands, given its parent's status and what the child asked to become when it cannot be met. */
export function judge(parent: TaskStatus, condition: DependencyCondition, policy: UnmetPolicy): Verdict {
  if (!hasEnded(parent)) return "unsettled";
  if (condition === DependencyCondition.COMPLETED) return "met";
  if (parent === TaskStatus.SKIPPED) return "skip";
  if (condition === DependencyCondition.FAILURE) {
    if (parent !== TaskStatus.SUCCESS) return "met";
    return policy === UnmetPolicy.FAIL ? "fail" : "skip";
  }
  if (parent === TaskStatus.SUCCESS) return "met";
  return policy === UnmetPolicy.SKIP ? "skip" : "fail";
}
