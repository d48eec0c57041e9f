import assert from "node:assert/strict";
import { BatchStatus, type Event, TaskStatus } from "@millpond/sdk";
import { lineOf, type Transaction, textOf, transactionsOf } from "./feed-transactions.ts";
import { type FollowUp, hasEnded, type ModelTaskInit, type ReferenceModel, type Report } from "./reference-model.ts";
import type { PlannedBatch } from "./scenario.ts";

/** A call that was acknowledged, in the words of the model. `taken`: the tasks for which it was answered that it did what it says. */
export type Operation =
  | {
      readonly case: "create";
      readonly batch: string;
      readonly newBatch: PlannedBatch | undefined;
      readonly tasks: readonly ModelTaskInit[];
    }
  | { readonly case: "cancel" | "pause" | "resume"; readonly taken: readonly string[] }
  | {
      readonly case: "retry";
      readonly names: readonly string[];
      readonly withDependents: boolean;
      readonly taken: readonly string[];
      /** Nothing else happened. */
      readonly alone: boolean;
    }
  | { readonly case: "retryBatch"; readonly batch: string; readonly count: number; readonly alone: boolean }
  | { readonly case: "stop"; readonly batch: string; readonly count: number }
  | { readonly case: "seal" | "pauseBatch" | "resumeBatch"; readonly batch: string }
  | { readonly case: "update"; readonly name: string; readonly priority: number };

/** What may have made a transaction. */
interface Explanation {
  /** Those that it is of: creates of several calls may be one transaction. */
  readonly operations?: readonly Operation[];
  readonly apply: (model: ReferenceModel) => void;
}

/** What the replay of a feed needs to know besides the model. */
export interface ReplayContext {
  /** Tasks and batches by the ids that the server gave them. */
  readonly names: ReadonlyMap<string, string>;
  /** What the executor of an attempt reports. */
  readonly reportOf: (name: string, attempt: number) => Report;
}

/**
 * Leads a model through what the feed tells, transaction by transaction: each must be what the model makes, there, of one of the operations that were
 * acknowledged, of creates that were acknowledged, of a claim, of reports, or of what follows from a change before; to the last task. What it makes ready
 * it may start, too. Every operation must have its transaction, and
 * everything that was to follow must have happened. Answers the model as it stands after all of it.
 */
export function replay(
  start: ReferenceModel,
  events: readonly Event[],
  operations: readonly Operation[],
  context: ReplayContext,
): ReferenceModel {
  let model = start;
  const left = new Set(operations);
  // What is to follow may have been looked at when there was nothing to do.
  const idle = new Set<FollowUp>();
  for (const transaction of transactionsOf(events, context.names)) {
    const [next, explained] = explain(transaction, model, left, context);
    model = next;
    for (const operation of explained) left.delete(operation);
    for (const followUp of model.followUps)
      if (!hasEffect(model, (twin) => twin.followUp(followUp))) idle.add(followUp);
  }
  for (const operation of left) assert.ok(!mustShow(operation), `the feed lacks ${JSON.stringify(operation)}`);
  for (const followUp of model.followUps) assert.ok(idle.has(followUp), `did not follow: ${JSON.stringify(followUp)}`);
  model.followUps.length = 0;
  return model;
}

function explain(
  transaction: Transaction,
  model: ReferenceModel,
  operations: ReadonlySet<Operation>,
  context: ReplayContext,
): readonly [ReferenceModel, readonly Operation[]] {
  const observed = textOf(transaction);
  const tried: string[] = [];
  const startedAtOnce = [...transaction.tasks].filter(
    ([, { from, to }]) => to === TaskStatus.RUNNING && (from === 0 || from === TaskStatus.WAITING),
  );
  for (const { operations: explained = [], apply } of explanations(transaction, model, operations, context)) {
    const twin = model.clone();
    const failure = attempt(() => {
      apply(twin);
      twin.claim(startedAtOnce.map(([name]) => name));
    });
    const made = failure ?? differences(model, twin);
    if (made === observed) return [twin, explained];
    tried.push(
      `${explained.length > 0 ? JSON.stringify(explained) : "claim, report or what follows"} would make\n${made}`,
    );
  }
  const choices = tried.length === 0 ? "nothing was asked for that could" : tried.join("\n");
  throw new Error(`no explanation of transaction ${transaction.id}, which made\n${observed}\n${choices}`);
}

function* explanations(
  { tasks, batches, edited }: Transaction,
  model: ReferenceModel,
  operations: ReadonlySet<Operation>,
  { reportOf }: ReplayContext,
): Generator<Explanation> {
  const started = [...tasks].filter(([, { from, to }]) => from === TaskStatus.PENDING && to === TaskStatus.RUNNING);
  if (started.length > 0) yield { apply: (twin) => twin.claim(started.map(([name]) => name)) };
  const reported = [...tasks].filter(([, { from, to }]) => from === TaskStatus.RUNNING && to !== TaskStatus.CANCELED);
  if (reported.length > 0) {
    const reports = reported.map(([name, { attempt }]) => ({ name, report: reportOf(name, attempt) }));
    yield { apply: (twin) => twin.report(reports) };
  }
  const created = [...operations].filter(
    (operation) => operation.case === "create" && fits(operation, { tasks, batches, edited }, model),
  );
  if (created.length > 1) {
    const apply = (twin: ReferenceModel) => {
      for (const operation of created) applyOperation(twin, operation, { tasks });
    };
    yield { operations: created, apply };
  }
  // Those that must have a transaction come first: what others were answered fits more than one.
  for (const operation of [...operations].sort((a, b) => Number(mustShow(b)) - Number(mustShow(a))))
    if (fits(operation, { tasks, batches, edited }, model))
      yield { operations: [operation], apply: (twin) => applyOperation(twin, operation, { tasks }) };
  for (const followUp of model.followUps) yield { apply: (twin) => twin.followUp(followUp) };
  // A stop looks twice: what was created while it looked for the first time may be decided by what the first has canceled.
  const canceled = [...tasks].filter(([, { to }]) => to === TaskStatus.CANCELED).map(([name]) => name);
  for (const operation of operations)
    if (operation.case === "stop")
      yield {
        operations: [operation],
        apply: (twin) => twin.stop(operation.batch, ofBatch(model, canceled, operation.batch)),
      };
  for (const followUp of model.followUps) {
    const batch = model.task(followUp.tasks[0] as string).batch;
    if (followUp.case === "stop") yield { apply: (twin) => twin.followUp(followUp, ofBatch(model, canceled, batch)) };
  }
}

function ofBatch(model: ReferenceModel, names: readonly string[], batch: string): string[] {
  return names.filter((name) => model.task(name).batch === batch);
}

/** Whether a transaction looks like that of an operation, where the states before and after do not tell. */
function fits(
  operation: Operation,
  { tasks, batches, edited }: Omit<Transaction, "id">,
  model: ReferenceModel,
): boolean {
  switch (operation.case) {
    case "create":
      return (
        batches.get(operation.batch)?.from === 0 || operation.tasks.some(({ name }) => tasks.get(name)?.from === 0)
      );
    case "seal":
      return tasks.size === 0 && batches.has(operation.batch) && model.batch(operation.batch).open;
    case "update":
      return edited[0] === operation.name;
    default:
      return tasks.size > 0 || [...batches.values()].some(({ from, to }) => from !== to);
  }
}

function applyOperation(model: ReferenceModel, operation: Operation, transaction: Pick<Transaction, "tasks">): void {
  switch (operation.case) {
    case "create":
      if (operation.newBatch !== undefined) model.createBatch(operation.batch, operation.newBatch);
      model.addTasks(operation.tasks);
      return;
    case "cancel":
    case "resume":
      assert.deepEqual(model[operation.case](operation.taken), operation.taken);
      return;
    case "pause":
      assert.deepEqual(model.pause(operation.taken), operation.taken);
      return;
    case "retry": {
      const { names, withDependents, taken, alone } = operation;
      const again = alone ? model.retry(names, withDependents) : retryAsSeen(model, transaction);
      const named = names.filter((name) => again.includes(name));
      assert.deepEqual(named, taken, "tasks that run again");
      assert.ok(withDependents || again.length === named.length, "tasks that run again without having been named");
      return;
    }
    case "retryBatch": {
      const { batch, count, alone } = operation;
      const again = alone ? model.retryBatch(batch) : retryAsSeen(model, transaction);
      assert.equal(again.length, count, "how many tasks run again");
      for (const name of again) assert.equal(model.task(name).batch, batch, `the batch of ${name}`);
      return;
    }
    case "stop":
      assert.equal(model.stop(operation.batch).length, operation.count, "how many tasks were canceled");
      return;
    case "seal":
      model.seal(operation.batch);
      return;
    case "pauseBatch":
    case "resumeBatch":
      model.hold(operation.batch, operation.case === "pauseBatch");
      return;
    case "update":
      assert.ok(model.updatePriority(operation.name, operation.priority));
  }
}

/** Runs again what a transaction ran again. Which tasks a call chooses may be as they stood when it came: before what others did while it waited. */
function retryAsSeen(model: ReferenceModel, { tasks }: Pick<Transaction, "tasks">): string[] {
  const seen = [...tasks].filter(([, { from }]) => hasEnded(from)).map(([name]) => name);
  const again = model.retry(seen, false);
  assert.deepEqual(again, seen, "each of them may run again");
  return again;
}

/** Whether an operation must have a transaction: the others may have found everything as they wanted it. */
function mustShow(operation: Operation): boolean {
  switch (operation.case) {
    case "create":
      return operation.tasks.length > 0 || operation.newBatch !== undefined;
    case "cancel":
    case "resume":
    case "retry":
      return operation.taken.length > 0;
    case "retryBatch":
    case "stop":
      return operation.count > 0;
    case "update":
      return true;
    default:
      return false;
  }
}

function attempt(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function hasEffect(model: ReferenceModel, action: (twin: ReferenceModel) => void): boolean {
  const twin = model.clone();
  action(twin);
  return differences(model, twin) !== "";
}

/** What changed from one model to another, in the form of {@link textOf}. */
function differences(before: ReferenceModel, after: ReferenceModel): string {
  const lines = [
    ...[...after.tasks.values()].map(({ name, status, attempt, ends }) => {
      const was = before.tasks.get(name);
      const more = ends.length - (was?.ends.length ?? 0);
      return lineOf(name, { from: was?.status ?? 0, to: status, attempt, ends: more, names: TaskStatus });
    }),
    ...[...after.batches].map(([name, { status, ends }]) => {
      const was = before.batches.get(name);
      const more = ends - (was?.ends ?? 0);
      return lineOf(name, { from: was?.status ?? 0, to: status, attempt: 0, ends: more, names: BatchStatus });
    }),
  ];
  return lines.flat().sort().join("\n");
}
