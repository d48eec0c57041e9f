import { BatchStatus, DependencyCondition, TaskStatus, UnmetPolicy } from "@millpond/sdk";

/** What a task of the model is made of. */
export interface ModelTaskInit {
  readonly name: string;
  readonly batch: string;
  readonly kind: number;
  readonly metadata: Readonly<Record<string, number>>;
  readonly parents: readonly ModelEdge[];
  readonly unmetPolicy: UnmetPolicy;
  readonly join: boolean;
  readonly critical: boolean;
  readonly onlyForDependents: boolean;
  readonly maxAttempts: number;
  readonly priority: number;
}

/** A dependency on a task. */
export interface ModelEdge {
  readonly name: string;
  readonly condition: DependencyCondition;
}

/** A task of the model: what it is made of, and how it stands. */
export interface ModelTask extends Omit<ModelTaskInit, "priority"> {
  priority: number;
  status: TaskStatus;
  attempt: number;
  /** The attempts before it was last run again: they use up nothing of its allowance. */
  earlierAttempts: number;
  /** Its dependencies have let it go: how they stand is of no matter any more, unless one of them is run again before it starts. */
  released: boolean;
  /** It failed because of a dependency. */
  broughtDown: boolean;
  /** How it ended, each time. */
  ends: TaskStatus[];
}

/** A batch of the model. */
export interface ModelBatch {
  open: boolean;
  status: BatchStatus;
  /** How often it ended. */
  ends: number;
}

/** What follows from the end of tasks after the change that ended them: the stop of a batch, or a look at what they alone needed. */
export interface FollowUp {
  readonly case: "stop" | "unneeded";
  readonly tasks: readonly string[];
}

/** What an executor says of an attempt: `final` is a failure that is not to be repeated. */
export type Report = "success" | "failure" | "final";

/** How a dependency stands: its parent has not ended, it is met, it asks that the child be skipped, or that it fail. */
type Verdict = "unsettled" | "met" | "skip" | "fail";

/**
 * ReferenceModel says what must become of graphs of tasks (design 2.1, 2.2). It knows nothing of counters, levels, locks or transactions: after each
 * command it looks at every task that waits, asks each of its dependencies how it stands, and goes on until nothing changes any more. What is to follow
 * after the command is kept in `followUps`, for the caller to carry out.
 */
export class ReferenceModel {
  readonly tasks = new Map<string, ModelTask>();
  readonly batches = new Map<string, ModelBatch>();
  readonly followUps: FollowUp[] = [];
  #endedNow: ModelTask[] = [];

  /** A model that stands as this one does and goes its own way from here. */
  clone(): ReferenceModel {
    const twin = new ReferenceModel();
    for (const [name, task] of this.tasks) twin.tasks.set(name, { ...task, ends: [...task.ends] });
    for (const [name, batch] of this.batches) twin.batches.set(name, { ...batch });
    twin.followUps.push(...this.followUps);
    return twin;
  }

  createBatch(name: string, { open, paused }: { readonly open: boolean; readonly paused: boolean }): void {
    this.batches.set(name, { open, status: paused ? BatchStatus.PAUSED : BatchStatus.ACTIVE, ends: 0 });
  }

  /** Adds tasks to an open batch, or to one that was just created; each parent is one of them or exists. */
  addTasks(tasks: readonly ModelTaskInit[]): void {
    for (const task of tasks) {
      const start = { status: TaskStatus.WAITING, attempt: 0, earlierAttempts: 0 };
      this.tasks.set(task.name, { ...task, ...start, released: false, broughtDown: false, ends: [] });
    }
    this.#goOn();
  }

  /** Gives tasks that may start to workers: they run at once. */
  claim(names: readonly string[]): void {
    for (const name of names) {
      const task = this.task(name);
      if (!this.mayStart(task)) throw new Error(`${name} was claimed as ${TaskStatus[task.status]}`);
      task.status = TaskStatus.RUNNING;
      task.attempt += 1;
    }
  }

  mayStart(task: ModelTask): boolean {
    return task.status === TaskStatus.PENDING && this.batch(task.batch).status === BatchStatus.ACTIVE;
  }

  /** Ends attempts of running tasks as their executors say, together. */
  report(reports: readonly { readonly name: string; readonly report: Report }[]): void {
    for (const { name, report } of reports) {
      const task = this.task(name);
      if (task.status !== TaskStatus.RUNNING) throw new Error(`a report on ${name} as ${TaskStatus[task.status]}`);
      if (report === "success") this.#end(task, TaskStatus.SUCCESS);
      else if (report === "failure" && task.attempt - task.earlierAttempts < task.maxAttempts)
        task.status = TaskStatus.PENDING;
      else this.#end(task, TaskStatus.FAILURE);
    }
    this.#goOn();
  }

  /** Cancels those of some tasks that have not ended, together; answers which. */
  cancel(names: readonly string[]): string[] {
    const canceled = [...new Set(names)].filter((name) => !hasEnded(this.task(name).status));
    for (const name of canceled) this.#end(this.task(name), TaskStatus.CANCELED);
    this.#goOn();
    return canceled;
  }

  /** Cancels what of a batch has not ended (`first` and what follows from that before the rest), closes it and ends it as CANCELED. One that has ended stays as it is. */
  stop(name: string, first: readonly string[] = []): string[] {
    const batch = this.batch(name);
    if (batchHasEnded(batch.status)) return [];
    batch.open = false;
    batch.status = BatchStatus.CANCELED;
    batch.ends += 1;
    return [...this.cancel(first), ...this.cancel(this.tasksOf(name).map((task) => task.name))];
  }

  /** Closes a batch for new tasks. */
  seal(name: string): void {
    this.batch(name).open = false;
    this.#goOn();
  }

  /** Holds those of some tasks that have not started; answers those that are held now. */
  pause(names: readonly string[]): string[] {
    const notStarted: readonly TaskStatus[] = [TaskStatus.WAITING, TaskStatus.PENDING, TaskStatus.PAUSED];
    const held = names.filter((name) => notStarted.includes(this.task(name).status));
    for (const name of held) this.task(name).status = TaskStatus.PAUSED;
    return held;
  }

  /** Lets those of some tasks go that are held; answers which. */
  resume(names: readonly string[]): string[] {
    const freed = names.filter((name) => this.task(name).status === TaskStatus.PAUSED);
    for (const name of freed) {
      const task = this.task(name);
      if (!task.released) task.status = TaskStatus.WAITING;
      else if (task.join) this.#end(task, TaskStatus.SUCCESS);
      else task.status = TaskStatus.PENDING;
    }
    this.#goOn();
    return freed;
  }

  /** Holds every start in a batch, or lets it go on; tells whether the batch had not ended. */
  hold(name: string, held: boolean): boolean {
    const batch = this.batch(name);
    if (batchHasEnded(batch.status)) return false;
    batch.status = held ? BatchStatus.PAUSED : BatchStatus.ACTIVE;
    return true;
  }

  /** Changes the priority of a task that has not started; tells whether it could. */
  updatePriority(name: string, priority: number): boolean {
    const task = this.task(name);
    if (hasEnded(task.status) || task.status === TaskStatus.RUNNING) return false;
    task.priority = priority;
    return true;
  }

  /** Runs those of some tasks again that have ended, with what they brought down if that is asked for; answers which run again. */
  retry(names: readonly string[], withDependents: boolean): string[] {
    const roots = names.map((name) => this.task(name)).filter((task) => hasEnded(task.status));
    return this.#runAgain(roots, () => withDependents);
  }

  /** Runs again what of a batch failed or was canceled, and what that brought down in it; answers which. */
  retryBatch(batch: string): string[] {
    const lost: readonly TaskStatus[] = [TaskStatus.FAILURE, TaskStatus.CANCELED];
    const roots = this.tasksOf(batch).filter((task) => lost.includes(task.status));
    return this.#runAgain(roots, (task) => task.batch === batch);
  }

  /** Carries out what follows from a change before: once only, by whoever comes first. */
  followUp({ case: kind, tasks }: FollowUp, first: readonly string[] = []): void {
    if (kind === "stop") {
      const failed = tasks.map((name) => this.task(name)).filter((task) => task.status === TaskStatus.FAILURE);
      for (const { batch } of failed.slice(0, 1)) this.stop(batch, first);
      return;
    }
    let looked = tasks.flatMap((name) => this.#onlyThereFor(name));
    for (let unneeded = this.#unneeded(looked); unneeded.length > 0; unneeded = this.#unneeded(looked)) {
      this.cancel(unneeded);
      looked = [...looked, ...unneeded.flatMap((name) => this.#onlyThereFor(name))];
    }
  }

  task(name: string): ModelTask {
    const task = this.tasks.get(name);
    if (task === undefined) throw new Error(`the model has no task ${name}`);
    return task;
  }

  batch(name: string): ModelBatch {
    const batch = this.batches.get(name);
    if (batch === undefined) throw new Error(`the model has no batch ${name}`);
    return batch;
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

  #end(task: ModelTask, status: TaskStatus): void {
    task.status = status;
    task.broughtDown = false;
    task.ends.push(status);
    this.#endedNow.push(task);
  }

  /** Lets every consequence happen. */
  #goOn(): void {
    let changed = true;
    while (changed) {
      changed = false;
      for (const task of this.tasks.values()) {
        const waits = task.status === TaskStatus.WAITING || task.status === TaskStatus.PAUSED;
        if (waits && !task.released && this.#settle(task)) changed = true;
      }
    }
    for (const [name, batch] of this.batches) this.#endIfDone(name, batch);
    this.#noteFollowUps();
  }

  /** Decides about a task that waits as its dependencies stand; tells whether there was anything to decide. */
  #settle(task: ModelTask): boolean {
    const verdicts = task.parents.map(({ name, condition }) =>
      judge(this.task(name).status, condition, task.unmetPolicy),
    );
    if (verdicts.includes("fail")) {
      this.#end(task, TaskStatus.FAILURE);
      task.broughtDown = true;
      return true;
    }
    if (verdicts.includes("unsettled")) return false;
    if (verdicts.includes("skip")) {
      this.#end(task, TaskStatus.SKIPPED);
      return true;
    }
    task.released = true;
    if (task.status === TaskStatus.PAUSED) return true;
    if (task.join) this.#end(task, TaskStatus.SUCCESS);
    else task.status = TaskStatus.PENDING;
    return true;
  }

  #endIfDone(name: string, batch: ModelBatch): void {
    if (batch.open || batchHasEnded(batch.status)) return;
    const all = this.tasksOf(name).map((task) => task.status);
    if (!all.every(hasEnded)) return;
    batch.ends += 1;
    if (all.includes(TaskStatus.FAILURE)) batch.status = BatchStatus.FAILURE;
    else if (all.includes(TaskStatus.CANCELED)) batch.status = BatchStatus.CANCELED;
    else batch.status = BatchStatus.SUCCESS;
  }

  #noteFollowUps(): void {
    const ended = this.#endedNow.filter((task) => hasEnded(task.status));
    this.#endedNow = [];
    const critical = ended.filter((task) => task.critical && task.status === TaskStatus.FAILURE);
    for (const tasks of Map.groupBy(critical, (task) => task.batch).values())
      this.followUps.push({ case: "stop", tasks: tasks.map((task) => task.name) });
    const served = ended.filter((task) => task.parents.some((parent) => this.task(parent.name).onlyForDependents));
    if (served.length > 0) this.followUps.push({ case: "unneeded", tasks: served.map((task) => task.name) });
  }

  /** The living tasks that are only there for their dependents, among the parents of a task, their parents, and so upward. */
  #onlyThereFor(name: string): string[] {
    const parents = this.task(name).parents.map((parent) => this.task(parent.name));
    const living = parents.filter((parent) => parent.onlyForDependents && !hasEnded(parent.status));
    return living.flatMap((parent) => [parent.name, ...this.#onlyThereFor(parent.name)]);
  }

  #unneeded(names: readonly string[]): string[] {
    return [...new Set(names)].filter(
      (name) =>
        !hasEnded(this.task(name).status) && this.#childrenOf(new Set([name])).every(({ status }) => hasEnded(status)),
    );
  }

  #childrenOf(names: ReadonlySet<string>): ModelTask[] {
    return [...this.tasks.values()].filter((task) => task.parents.some((parent) => names.has(parent.name)));
  }

  #runAgain(roots: readonly ModelTask[], alsoDown: (task: ModelTask) => boolean): string[] {
    const set = new Set(roots.map((task) => task.name));
    for (let size = -1; size !== set.size; ) {
      size = set.size;
      for (const child of this.#childrenOf(set)) {
        const lost = child.status === TaskStatus.SKIPPED || (child.status === TaskStatus.FAILURE && child.broughtDown);
        if (lost && alsoDown(child)) set.add(child.name);
      }
    }
    // What a parent that stays as it ended keeps from starting, stays too.
    const isBlocked = (name: string): boolean => {
      const { parents, unmetPolicy } = this.task(name);
      const outside = parents.filter((parent) => !set.has(parent.name));
      const verdicts = outside.map((parent) => judge(this.task(parent.name).status, parent.condition, unmetPolicy));
      return verdicts.includes("skip") || verdicts.includes("fail");
    };
    for (let blocked = [...set].find(isBlocked); blocked !== undefined; blocked = [...set].find(isBlocked))
      set.delete(blocked);
    for (const name of set) {
      const task = this.task(name);
      Object.assign(task, { status: TaskStatus.WAITING, released: false, broughtDown: false });
      task.earlierAttempts = task.attempt;
      const batch = this.batch(task.batch);
      if (batchHasEnded(batch.status)) batch.status = BatchStatus.ACTIVE;
    }
    for (const child of this.#childrenOf(set)) {
      if (child.status === TaskStatus.PENDING) child.status = TaskStatus.WAITING;
      if (child.status === TaskStatus.WAITING || child.status === TaskStatus.PAUSED) child.released = false;
    }
    this.#goOn();
    return [...set];
  }
}

/** Tells whether a task of this status never changes again, unless it is run again. */
export function hasEnded(status: TaskStatus): boolean {
  const ends: readonly TaskStatus[] = [TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.CANCELED, TaskStatus.SKIPPED];
  return ends.includes(status);
}

/** Tells whether a batch of this status has ended. */
export function batchHasEnded(status: BatchStatus): boolean {
  return status !== BatchStatus.ACTIVE && status !== BatchStatus.PAUSED;
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
