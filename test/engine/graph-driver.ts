import assert from "node:assert/strict";
import { ErrorReason, type MillpondClient, type ReportResult, TaskStatus } from "@millpond/sdk";
import type { Random } from "./random.ts";
import { hasEnded, ReferenceModel } from "./reference-model.ts";
import type { Command, Part, PlannedTask } from "./scenario.ts";

const success = "success" as const;
const failure = "failure" as const;

/** An attempt that a worker has and has not reported on. */
interface Held {
  readonly name: string;
  readonly attempt: number;
}

/**
 * GraphDriver plays a scenario against servers and a model at the same time. What several clients do at once is told to the model afterwards, in an order
 * that it allows: the outcome of each task is fixed beforehand, so that every order must come to the same.
 */
export class GraphDriver {
  readonly model = new ReferenceModel();
  readonly taskIds = new Map<string, string>();
  readonly batchIds = new Map<string, string>();
  readonly #clients: readonly MillpondClient[];
  readonly #random: Random;
  readonly #prefix: string;
  readonly #plan: ReadonlyMap<string, PlannedTask>;
  readonly #names = new Map<string, string>();
  #held: Held[] = [];
  /** What was acknowledged since the model was told the last time. */
  #started: Held[] = [];
  #ended: string[] = [];

  constructor(options: {
    clients: readonly MillpondClient[];
    random: Random;
    prefix: string;
    plan: ReadonlyMap<string, PlannedTask>;
  }) {
    this.#clients = options.clients;
    this.#random = options.random;
    this.#prefix = options.prefix;
    this.#plan = options.plan;
  }

  #client(n = this.#random.below(this.#clients.length)): MillpondClient {
    return this.#clients[n % this.#clients.length] as MillpondClient;
  }

  /** Tells whether a part can still be created: a batch that was stopped takes none. */
  accepts(part: Part): boolean {
    return this.model.batches.get(part.batch)?.open ?? true;
  }

  /** Creates the tasks of a part by one call, listed in any order; the model learns of them by `adopt`. */
  async create(part: Part): Promise<void> {
    const existing = this.batchIds.get(part.batch);
    const own = new Set(part.tasks.map((task) => task.name));
    const listed = this.#random.shuffle(part.tasks);
    const response = await this.#client().tasks.createTasks({
      target: existing ? { case: "batchId", value: existing } : { case: "newBatch", value: { open: true } },
      tasks: listed.map((task) => ({
        ...{ key: task.name, name: task.name, kind: `${this.#prefix}-${task.kind}` },
        ...{ priority: task.priority, unmetPolicy: task.unmetPolicy },
        execution: task.join ? { case: "join" as const, value: {} } : { case: undefined },
        dependencies: task.parents.map(({ name, condition }) => {
          const byKey = own.has(name) || (this.#plan.get(name)?.batch === part.batch && this.#random.chance(0.5));
          const value = byKey ? name : (this.taskIds.get(name) as string);
          return { condition, parent: { case: byKey ? ("key" as const) : ("taskId" as const), value } };
        }),
      })),
    });
    this.batchIds.set(part.batch, response.batch?.batchId as string);
    for (const [n, { taskId, key }] of response.tasks.entries()) {
      assert.equal(key, listed[n]?.name, "created tasks are answered in the order of the request");
      this.taskIds.set(key, taskId);
      this.#names.set(taskId, key);
    }
  }

  /** Tells the model of a part. */
  adopt(part: Part): void {
    if (!this.model.batches.has(part.batch)) this.model.createBatch(part.batch, true);
    this.model.addTasks(part.tasks);
  }

  /** Lets several workers claim and report at once, each for some rounds; `drain`: until none of them finds anything. */
  async work(options: { clients: number; rounds: number; drain: boolean }): Promise<void> {
    const workers = Array.from({ length: options.clients }, async (_, n) => {
      for (let round = 0; options.drain || round < options.rounds; round += 1) {
        const claimed = await this.#claim(n, 1 + this.#random.below(5));
        const kept = options.drain ? [] : claimed.filter(() => this.#random.chance(0.2));
        this.#held.push(...kept);
        const done = claimed.filter((task) => !kept.includes(task));
        if (claimed.length === 0 && this.#held.length > 0) done.push(...this.#held.splice(0, 3));
        if (done.length === 0) return;
        await this.#finish(n, done);
      }
    });
    await Promise.all(workers);
  }

  async #claim(n: number, maxTasks: number): Promise<Held[]> {
    const kinds = [`${this.#prefix}-0`, `${this.#prefix}-1`].slice(0, 1 + this.#random.below(2));
    const [first] = await this.#claimOf(n, kinds, maxTasks);
    if (first) return first;
    return (await this.#claimOf(n, [`${this.#prefix}-1`, `${this.#prefix}-0`], maxTasks))[0] ?? [];
  }

  async #claimOf(n: number, kinds: string[], maxTasks: number): Promise<Held[][]> {
    const { assignments } = await this.#client(n).workers.claimTasks({ workerId: `worker-${n}`, kinds, maxTasks });
    const claimed = assignments.map(({ task, attempt }) => {
      assert.equal(task?.status, TaskStatus.RUNNING, "what a worker has claimed is running");
      return { name: this.#names.get(task?.taskId as string) ?? (task?.key as string), attempt };
    });
    this.#started.push(...claimed);
    return claimed.length === 0 ? [] : [claimed];
  }

  /** Ends attempts as planned: signs of life first for some, reports in calls of mixed sizes, some of them by two clients at once. */
  async #finish(n: number, tasks: readonly Held[]): Promise<void> {
    if (this.#random.chance(0.3)) await this.#signsOfLife(n, tasks);
    const canceled = tasks.filter((task) => this.#plan.get(task.name)?.outcome === TaskStatus.CANCELED);
    const reported = this.#random.shuffle(tasks.filter((task) => !canceled.includes(task)));
    if (canceled.length > 0) {
      const { results } = await this.#client(n).tasks.cancelTasks({ taskIds: canceled.map((task) => this.#id(task)) });
      for (const { result } of results) assert.equal(result.case, "task", "a running task can be canceled");
    }
    const size = 1 + this.#random.below(4);
    for (let from = 0; from < reported.length; from += size) {
      const part = reported.slice(from, from + size);
      const copies = this.#random.chance(0.2) ? 2 : 1;
      const answers = await Promise.all(Array.from({ length: copies }, (_, copy) => this.#report(n + copy, part)));
      for (const [place, task] of part.entries()) {
        const taken = answers.filter((answer) => answer[place]?.result.case === "task").length;
        assert.equal(taken, 1, `of ${copies} reports on ${task.name} exactly one counts`);
      }
    }
    this.#ended.push(...tasks.map((task) => task.name));
  }

  async #report(n: number, tasks: readonly Held[]): Promise<ReportResult[]> {
    const reports = tasks.map((task) => ({
      ...{ taskId: this.#id(task), attempt: this.#random.chance(0.5) ? task.attempt : 0 },
      report: { case: this.#plan.get(task.name)?.outcome === TaskStatus.SUCCESS ? success : failure, value: {} },
    }));
    return (await this.#client(n).tasks.reportTasks({ reports })).results;
  }

  async #signsOfLife(n: number, tasks: readonly Held[]): Promise<void> {
    const reports = tasks.flatMap((task) => [
      { taskId: this.#id(task), attempt: task.attempt, report: { case: "started" as const, value: {} } },
      { taskId: this.#id(task), attempt: task.attempt, report: { case: "heartbeat" as const, value: {} } },
    ]);
    const { results } = await this.#client(n).tasks.reportTasks({ reports });
    for (const { result } of results) assert.equal(result.case, "task", "a sign of life of a running task is taken");
  }

  #id(task: { readonly name: string }): string {
    return this.taskIds.get(task.name) as string;
  }

  /** Tells the model what was acknowledged, in an order that it allows; there must be one. */
  tellModel(): void {
    let left = this.#started.map((task) => ({ ...task, claimed: false }));
    let ended = new Set(this.#ended);
    const early = [...ended].filter((name) => !left.some((task) => task.name === name));
    for (const name of early) this.#end(name);
    ended = new Set([...ended].filter((name) => !early.includes(name)));
    while (left.length > 0) {
      const allowed = left.filter((task) => this.model.tasks.get(task.name)?.status === TaskStatus.PENDING);
      assert.notEqual(allowed.length, 0, `no order of events lets ${left.map((task) => task.name)} start`);
      for (const { name, attempt } of allowed) {
        this.model.claim(name);
        assert.equal(attempt, this.model.tasks.get(name)?.attempt, `the attempt of ${name}`);
        if (ended.has(name)) this.#end(name);
      }
      left = left.filter((task) => !allowed.includes(task));
    }
    this.#started = [];
    this.#ended = [];
  }

  #end(name: string): void {
    const outcome = this.#plan.get(name)?.outcome;
    if (outcome === TaskStatus.SUCCESS || outcome === TaskStatus.FAILURE) this.model.report(name, outcome);
    else this.model.cancel([name]);
  }

  /** Carries out a command while nothing else happens, and tells the model. */
  async command(command: Command): Promise<void> {
    const names = [...this.model.tasks.keys()];
    const nameAt = (n: number): string => names[n % names.length] as string;
    switch (command.case) {
      case "cancel":
        await this.#cancel([...new Set(command.targets.map(nameAt))]);
        break;
      case "stop":
        await this.#stop(`batch-${command.batch}`);
        break;
      case "claim":
        await this.#claimByPriority(command.max);
        break;
      case "strays":
        await this.#strays(nameAt(command.target));
        break;
    }
    this.#held = this.#held.filter(({ name }) => this.model.tasks.get(name)?.status === TaskStatus.RUNNING);
  }

  async #cancel(targets: readonly string[]): Promise<void> {
    const { results } = await this.#client().tasks.cancelTasks({ taskIds: targets.map((name) => this.#id({ name })) });
    const canceled = this.model.cancel(targets);
    for (const [n, name] of targets.entries()) {
      assert.equal(results[n]?.result.case, canceled.includes(name) ? "task" : "error", `the canceling of ${name}`);
    }
  }

  async #stop(batch: string): Promise<void> {
    const batchId = this.batchIds.get(batch);
    if (batchId === undefined) return;
    const before = this.model.countsOf(batch);
    const unfinished = this.model.tasksOf(batch).filter((task) => !hasEnded(task.status)).length;
    const answer = await this.#client().batches.stopBatch({ batchId });
    this.model.stop(batch);
    assert.equal(Number(answer.alreadyEnded), this.model.tasksOf(batch).length - unfinished, "tasks that had ended");
    for (const [status, count] of Object.entries(answer.canceledByStatus)) assert.equal(Number(count), before[status]);
  }

  /** Claims as the only client: what it gets has no less priority than anything that it leaves. */
  async #claimByPriority(max: number): Promise<void> {
    const claimed = (await this.#claimOf(0, [`${this.#prefix}-0`, `${this.#prefix}-1`], max))[0] ?? [];
    const pending = [...this.model.tasks.values()].filter((task) => task.status === TaskStatus.PENDING);
    assert.equal(claimed.length, Math.min(max, pending.length), "a claim takes what there is, up to its bound");
    this.tellModel();
    const priority = (name: string): number => this.#plan.get(name)?.priority ?? 0;
    const least = Math.min(...claimed.map((task) => priority(task.name)));
    for (const { name, status } of pending) assert.ok(status !== TaskStatus.PENDING || priority(name) <= least, name);
    this.#held.push(...claimed);
  }

  /** Sends reports that must change nothing: of another attempt, or on a task that nobody has. */
  async #strays(name: string): Promise<void> {
    const task = this.model.tasks.get(name);
    const running = task?.status === TaskStatus.RUNNING;
    const reports = [running ? 7 : 0, 7].map((attempt) => ({
      ...{ taskId: this.#id({ name }), attempt },
      report: { case: "success" as const, value: {} },
    }));
    const { results } = await this.#client().tasks.reportTasks({ reports });
    for (const { result } of results) {
      assert.equal(result.case, "error", `a stray report on ${name}`);
      if (result.case === "error" && running) assert.equal(result.value.reason, ErrorReason.STALE_ATTEMPT);
    }
  }

  /** Closes a batch for new tasks. */
  async seal(batch: string): Promise<void> {
    await this.#client().batches.sealBatch({ batchId: this.batchIds.get(batch) as string });
    this.model.seal(batch);
  }
}
