import assert from "node:assert/strict";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CreatedTask,
  ErrorReason,
  errorReason,
  type MillpondClient,
  type ReportResult,
  type Task,
  TaskStatus,
} from "@millpond/sdk";
import { type Operation, replay } from "./feed-replay.ts";
import { readEvents } from "./feed-transactions.ts";
import { findDuplicates, redirect } from "./model-dedupe.ts";
import type { Random } from "./random.ts";
import { ReferenceModel, type Report } from "./reference-model.ts";
import type { Outcome, Part, PlannedTask, Scenario } from "./scenario.ts";

/** The code of failures that no policy of a scenario repeats. */
const finalCode = "no-more";

/** Why an item of a call may be refused where others change its task at the same time. */
const overtaken = [ErrorReason.TASK_ENDED, ErrorReason.STALE_ATTEMPT, ErrorReason.ILLEGAL_TRANSITION];

/** An attempt that a worker has and has not reported on. */
interface Held {
  readonly name: string;
  readonly attempt: number;
}

/** What plays a scenario: clients of the servers, and where webhooks lead. */
export interface GraphDriverOptions {
  readonly clients: readonly MillpondClient[];
  readonly random: Random;
  readonly prefix: string;
  readonly scenario: Scenario;
  readonly webhook: string;
  /** Waits until everything that follows from what was acknowledged has happened. */
  readonly settled: () => Promise<void>;
}

/**
 * GraphDriver plays a scenario against servers and a model at the same time. What several clients do at once is told to the model afterwards, in the order
 * of the feed.
 */
export class GraphDriver {
  model = new ReferenceModel();
  readonly taskIds = new Map<string, string>();
  readonly batchIds = new Map<string, string>();
  /** What has been acknowledged since the model was told. */
  readonly operations: Operation[] = [];
  readonly options: GraphDriverOptions;
  readonly #plan: ReadonlyMap<string, PlannedTask>;
  readonly #names = new Map<string, string>();
  /** The tasks that duplicates were answered with. */
  readonly #instead = new Map<string, string>();
  #cursor = "";
  #held: Held[] = [];
  #started: string[] = [];
  #reported: string[] = [];
  /** Others than workers change tasks. */
  #disturbed = false;

  constructor(options: GraphDriverOptions) {
    this.options = options;
    this.#plan = new Map(options.scenario.parts.flatMap((part) => part.tasks.map((task) => [task.name, task])));
  }

  client(n = this.options.random.below(this.options.clients.length)): MillpondClient {
    return this.options.clients[n % this.options.clients.length] as MillpondClient;
  }

  /** The tasks that were created. */
  get created(): string[] {
    return [...this.#names.values()].filter((name) => this.#plan.has(name));
  }

  id(name: string): string {
    return this.taskIds.get(name) as string;
  }

  /** Tells whether a part can still be created: a batch that was closed takes none. */
  accepts(part: Part): boolean {
    const { open } = this.model.batches.get(part.batch) ?? { open: true };
    return open;
  }

  /** Creates the tasks of a part by one call, listed in any order. With `alone` the model says what must come of it. */
  async create(part: Part, alone: boolean): Promise<void> {
    const { random, scenario, prefix, webhook } = this.options;
    const existing = this.batchIds.get(part.batch);
    const planned = scenario.batches[part.batch] ?? { open: true, paused: false, notify: false };
    const listed = random.shuffle(part.tasks.map((task) => ({ ...task, parents: this.#parentsOf(task, part) })));
    const expected = findDuplicates(listed, [...this.model.tasks.values()]);
    const { open, paused } = planned;
    const onComplete = planned.notify ? [{ url: webhook }] : [];
    const call = this.client().tasks.createTasks({
      target: existing
        ? { case: "batchId", value: existing }
        : { case: "newBatch", value: { open, paused, onComplete } },
      tasks: listed.map((task) => newTask(task, { prefix, webhook, dependencies: this.#dependencies(task, part) })),
    });
    const response = await call.catch((error: unknown) => {
      const within = [...expected.values()].some((found) => part.tasks.some(({ name }) => found.has(name)));
      if (errorReason(error) === ErrorReason.GRAPH_HAS_CYCLE && (within || !alone)) return undefined;
      if (errorReason(error) === ErrorReason.BATCH_SEALED && !alone) return undefined;
      throw error;
    });
    if (response === undefined) return;
    const batchId = response.batch?.batchId as string;
    this.batchIds.set(part.batch, batchId);
    this.#names.set(batchId, part.batch);
    const tasks = this.#adopt(listed, response.tasks, alone ? expected : undefined);
    this.operations.push({ case: "create", batch: part.batch, newBatch: existing ? undefined : planned, tasks });
  }

  /** The edges of a task onto what there is: the tasks of its part, and those that were created or found before. */
  #parentsOf(task: PlannedTask, part: Part): PlannedTask["parents"] {
    const own = new Set(part.tasks.map(({ name }) => name));
    const known = task.parents.filter(({ name }) => own.has(name) || this.taskIds.has(name));
    const parents = known.map(({ name, condition }) => ({ name: this.#instead.get(name) ?? name, condition }));
    return parents.filter(({ name }, n) => parents.findIndex((other) => other.name === name) === n);
  }

  #dependencies(task: PlannedTask, part: Part) {
    return task.parents.map(({ name, condition }) => {
      const isNew = !this.taskIds.has(name);
      const byKey = isNew || (this.#plan.get(name)?.batch === part.batch && this.options.random.chance(0.5));
      const value = byKey ? name : this.id(name);
      return { condition, parent: { case: byKey ? ("key" as const) : ("taskId" as const), value } };
    });
  }

  /** Takes over what a call created and found; answers the tasks as the model is to have them. */
  #adopt(
    listed: readonly PlannedTask[],
    answers: readonly CreatedTask[],
    expected: ReadonlyMap<string, ReadonlySet<string>> | undefined,
  ): PlannedTask[] {
    assert.deepEqual(
      answers.map(({ key }) => key),
      listed.map(({ name }) => name),
      "created tasks are answered in the order of the request",
    );
    const found = new Map<string, string>();
    for (const { key, taskId, deduplicated } of answers) {
      this.taskIds.set(key, taskId);
      if (!deduplicated) this.#names.set(taskId, key);
    }
    for (const { key, taskId, deduplicated } of answers) {
      const candidates = expected?.get(key);
      if (expected !== undefined) assert.equal(deduplicated, candidates !== undefined, `${key} is a duplicate`);
      if (!deduplicated) continue;
      const name = this.#names.get(taskId) ?? taskId;
      assert.ok(candidates?.has(name) ?? this.#plan.get(name)?.kind !== undefined, `${key} was answered with ${name}`);
      found.set(key, name);
      this.#instead.set(key, name);
    }
    const created = listed.filter(({ name }) => !found.has(name));
    return created.map((task) => ({ ...task, parents: redirect(task.parents, found) }));
  }

  /** Lets several workers claim and report at once, each for some rounds; `drain`: until none of them finds anything. */
  async work(options: { clients: number; rounds: number; drain: boolean; disturbed: boolean }): Promise<void> {
    const { random } = this.options;
    this.#disturbed = options.disturbed;
    const workers = Array.from({ length: options.clients }, async (_, n) => {
      for (let round = 0; options.drain || round < options.rounds; round += 1) {
        const claimed = await this.#claim(n, 1 + random.below(5));
        const kept = options.drain ? [] : claimed.filter(() => random.chance(0.2));
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
    const kinds = [0, 1].slice(0, 1 + this.options.random.below(2));
    // Who waits is handed what becomes ready meanwhile, in the transaction that makes it so.
    const waitMs = this.options.random.chance(0.5) ? 25 : 0;
    const claimed = await this.#claimOf(n, kinds, { maxTasks, waitMs });
    return claimed.length > 0 ? claimed : this.#claimOf(n, [1, 0], { maxTasks, waitMs: 0 });
  }

  async #claimOf(
    n: number,
    kinds: readonly number[],
    { maxTasks, waitMs }: { readonly maxTasks: number; readonly waitMs: number },
  ): Promise<Held[]> {
    const { assignments } = await this.client(n).workers.claimTasks({
      ...{ workerId: `worker-${n}`, maxTasks, waitTimeout: durationFromMs(waitMs) },
      kinds: kinds.map((kind) => kindName(this.options.prefix, kind)),
    });
    const claimed = assignments.map(({ task, attempt }) => {
      assert.equal(task?.status, TaskStatus.RUNNING, "what a worker has claimed is running");
      // It may be handed out before the call that created it is answered.
      const { taskId, key: name } = task as Task;
      this.taskIds.set(name, taskId);
      this.#names.set(taskId, name);
      return { name, attempt };
    });
    this.#started.push(...claimed.map(({ name, attempt }) => `${name} ${attempt}`));
    return claimed;
  }

  #outcome({ name, attempt }: Held): Outcome {
    const outcomes = this.#plan.get(name)?.outcomes ?? [];
    return outcomes[Math.min(attempt, outcomes.length) - 1] as Outcome;
  }

  #reportOf(held: Held): Report {
    const outcome = this.#outcome(held);
    if (outcome === "coded") return (this.#plan.get(held.name)?.maxAttempts ?? 1) > 1 ? "final" : "failure";
    return outcome === "canceled" ? "final" : outcome;
  }

  /** Ends attempts as planned: signs of life first for some, reports in calls of mixed sizes, some of them by two clients at once. */
  async #finish(n: number, tasks: readonly Held[]): Promise<void> {
    const { random } = this.options;
    if (random.chance(0.3)) await this.#signsOfLife(n, tasks);
    const canceled = tasks.filter((task) => this.#outcome(task) === "canceled").map((task) => task.name);
    const reported = random.shuffle(tasks.filter((task) => this.#outcome(task) !== "canceled"));
    if (canceled.length > 0) {
      const { results } = await this.client(n).tasks.cancelTasks({ taskIds: canceled.map((name) => this.id(name)) });
      const taken = canceled.filter((_, place) => this.#isTaken(results[place]));
      this.operations.push({ case: "cancel", taken });
    }
    const size = 1 + random.below(4);
    for (let from = 0; from < reported.length; from += size) {
      const part = reported.slice(from, from + size);
      const copies = random.chance(0.2) ? 2 : 1;
      const answers = await Promise.all(Array.from({ length: copies }, (_, copy) => this.#report(n + copy, part)));
      for (const [place, { name, attempt }] of part.entries()) {
        const taken = answers.filter((answer) => answer[place]?.result.case === "task").length;
        for (const answer of answers) this.#isTaken(answer[place], copies > 1);
        assert.ok(taken <= 1, `of ${copies} reports on ${name} at most one counts`);
        if (!this.#disturbed) assert.equal(taken, 1, `of ${copies} reports on ${name} exactly one counts`);
        if (taken > 0) this.#reported.push(`${name} ${attempt}`);
      }
    }
  }

  /** Tells whether an item was taken; it may be refused only where others may have been faster. */
  #isTaken(result: ReportResult | undefined, rivals = false): boolean {
    if (result?.result.case === "task") return true;
    const why = `refused: ${JSON.stringify(result?.result.value)}`;
    assert.ok(this.#disturbed || rivals, why);
    assert.ok(result?.result.case === "error" && overtaken.includes(result.result.value.reason), why);
    return false;
  }

  async #report(n: number, tasks: readonly Held[]): Promise<ReportResult[]> {
    const reports = tasks.map((held) => {
      const outcome = this.#outcome(held);
      const failure = { nonRetryable: outcome === "final", code: outcome === "coded" ? finalCode : "" };
      // Without its number only where no other attempt can follow.
      const nameless = !this.#disturbed && outcome === "success" && this.options.random.chance(0.5);
      return {
        ...{ taskId: this.id(held.name), attempt: nameless ? 0 : held.attempt },
        report:
          outcome === "success"
            ? { case: "success" as const, value: {} }
            : { case: "failure" as const, value: failure },
      };
    });
    return (await this.client(n).tasks.reportTasks({ reports })).results;
  }

  async #signsOfLife(n: number, tasks: readonly Held[]): Promise<void> {
    const reports = tasks.flatMap(({ name, attempt }) => [
      { taskId: this.id(name), attempt, report: { case: "started" as const, value: {} } },
      { taskId: this.id(name), attempt, report: { case: "heartbeat" as const, value: {} } },
    ]);
    const { results } = await this.client(n).tasks.reportTasks({ reports });
    for (const result of results) this.#isTaken(result);
  }

  /** Tells the model what has happened since it was told the last time, in the order of the feed. */
  async tellModel(): Promise<void> {
    if (this.batchIds.size === 0) return;
    await this.options.settled();
    const { events, cursor } = await readEvents(this.client(), [...this.batchIds.values()], this.#cursor);
    this.#cursor = cursor;
    const reportOf = (name: string, attempt: number): Report => this.#reportOf({ name, attempt });
    this.model = replay(this.model, events, this.operations, { names: this.#names, reportOf });
    const moves = events.flatMap(({ taskId, payload }) =>
      payload.case === "taskStatusChanged" ? [{ name: this.#names.get(taskId) as string, ...payload.value }] : [],
    );
    const isUnderWay = ({ name, attempt }: Held): boolean => {
      const { status, attempt: current } = this.model.task(name);
      return status === TaskStatus.RUNNING && attempt === current;
    };
    const started = moves.filter(({ to }) => to === TaskStatus.RUNNING);
    const reported = moves.filter(({ from, to }) => from === TaskStatus.RUNNING && to !== TaskStatus.CANCELED);
    const sorted = (of: typeof moves) => of.map(({ name, attempt }) => `${name} ${attempt}`).sort();
    // What is canceled before it is handed out is not handed out.
    const handedOut = started.filter(
      (held) => isUnderWay(held) || this.#started.includes(`${held.name} ${held.attempt}`),
    );
    assert.deepEqual(sorted(handedOut), this.#started.sort(), "attempts that started, and those that were handed out");
    assert.deepEqual(sorted(reported), this.#reported.sort(), "attempts that ended, and those acknowledged");
    this.#held = this.#held.filter(isUnderWay);
    this.operations.length = 0;
    this.#started = [];
    this.#reported = [];
  }

  /** Claims as the only client: what it gets has no less priority than anything that it leaves. */
  async claimByPriority(max: number): Promise<void> {
    const before = [...this.model.tasks.values()].filter((task) => this.model.mayStart(task)).map(({ name }) => name);
    const claimed = await this.#claimOf(0, [0, 1], { maxTasks: max, waitMs: 0 });
    assert.equal(claimed.length, Math.min(max, before.length), "a claim takes what there is, up to its bound");
    const priority = (name: string): number => this.model.task(name).priority;
    const least = Math.min(...claimed.map(({ name }) => priority(name)));
    const passedOver = before.filter((name) => !claimed.some((held) => held.name === name));
    for (const name of passedOver) assert.ok(priority(name) <= least, `${name} was passed over`);
    this.#held.push(...claimed);
  }
}

function kindName(prefix: string, kind: number): string {
  return `${prefix}-${kind}`;
}

function newTask<Dependency>(
  task: PlannedTask,
  { prefix, webhook, dependencies }: { prefix: string; webhook: string; dependencies: readonly Dependency[] },
) {
  const { name, priority, unmetPolicy, metadata, critical, onlyForDependents, maxAttempts } = task;
  const webhooks = task.notify ? [{ url: webhook }] : [];
  const at = durationFromMs(0);
  return {
    ...{
      key: name,
      name,
      kind: kindName(prefix, task.kind),
      priority,
      unmetPolicy,
      metadata,
      critical,
      onlyForDependents,
    },
    ...{ onSuccess: webhooks, onFailure: webhooks, onCancel: webhooks, dependencies: [...dependencies] },
    ...(maxAttempts > 1 ? { retry: { maxAttempts, initialBackoff: at, nonRetryableCodes: [finalCode] } } : {}),
    dedupe: task.dedupe.map((matcher) => ({
      ...{ kind: kindName(prefix, matcher.kind), statuses: [...matcher.statuses], fields: [...matcher.fields] },
    })),
    execution: task.join ? { case: "join" as const, value: {} } : { case: undefined },
  };
}
