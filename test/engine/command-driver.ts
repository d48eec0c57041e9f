import assert from "node:assert/strict";
import { ErrorReason, errorReason, type ReportResult, TaskStatus } from "@millpond/sdk";
import type { GraphDriver } from "./graph-driver.ts";
import { batchHasEnded, hasEnded, type ReferenceModel } from "./reference-model.ts";
import type { Command } from "./scenario.ts";

/**
 * Asks for what a command says. With `alone`, nothing else happens, and the answer must be what the model says beforehand; else it must be one that the
 * feed can explain later.
 */
export async function carryOut(driver: GraphDriver, command: Command, alone: boolean): Promise<void> {
  const names = driver.created;
  if (names.length === 0) return;
  const nameAt = (n: number): string => names[n % names.length] as string;
  const expected = alone ? driver.model.clone() : undefined;
  switch (command.case) {
    case "cancel":
    case "pause":
    case "resume":
      await changeTasks(driver, { ...command, names: [...new Set(command.targets.map(nameAt))] }, expected);
      break;
    case "retry": {
      // Half of them among what has failed, as far as the model knows.
      const failed = [...driver.model.tasks.values()].filter(({ status }) => status === TaskStatus.FAILURE);
      const chosen = command.targets.map(
        (n) => (n % 2 === 0 ? failed[n % failed.length]?.name : undefined) ?? nameAt(n),
      );
      await changeTasks(driver, { ...command, names: [...new Set(chosen)] }, expected);
      break;
    }
    case "stop":
    case "retryBatch":
    case "pauseBatch":
    case "resumeBatch":
    case "seal":
      await changeBatch(driver, { case: command.case, batch: `batch-${command.batch}` }, expected);
      break;
    case "update":
      await updatePriority(driver, nameAt(command.target), command.priority, expected);
      break;
    case "claim":
      await driver.claimByPriority(command.max);
      break;
    case "strays":
      await strayReports(driver, nameAt(command.target));
  }
}

type ItemCommand = Extract<Command, { readonly targets: readonly number[] }> & { readonly names: readonly string[] };

async function changeTasks(driver: GraphDriver, command: ItemCommand, expected?: ReferenceModel): Promise<void> {
  const { names } = command;
  const taskIds = names.map((name) => driver.id(name));
  const { tasks } = driver.client();
  if (command.case === "retry") {
    const { withDependents } = command;
    const { results } = await tasks.retryTasks({ taskIds, withDependents });
    const taken = takenOf(names, results);
    if (expected !== undefined) {
      const again = expected.retry(names, withDependents);
      assert.deepEqual(
        taken,
        names.filter((name) => again.includes(name)),
        "what runs again",
      );
    }
    driver.operations.push({ case: "retry", names, withDependents, taken, alone: expected !== undefined });
    return;
  }
  const calls = {
    cancel: () => tasks.cancelTasks({ taskIds }),
    pause: () => tasks.pauseTasks({ taskIds }),
    resume: () => tasks.resumeTasks({ taskIds }),
  };
  const { results } = await calls[command.case]();
  const taken = takenOf(names, results);
  if (expected !== undefined) assert.deepEqual(taken, expected[command.case](names), `what was taken: ${command.case}`);
  driver.operations.push({ case: command.case, taken });
}

function takenOf(names: readonly string[], results: readonly ReportResult[]): string[] {
  const allowed = [ErrorReason.TASK_ENDED, ErrorReason.ILLEGAL_TRANSITION];
  for (const { result } of results)
    if (result.case === "error") assert.ok(allowed.includes(result.value.reason), ErrorReason[result.value.reason]);
  return names.filter((_, n) => results[n]?.result.case === "task");
}

interface BatchCommand {
  readonly case: "stop" | "retryBatch" | "pauseBatch" | "resumeBatch" | "seal";
  readonly batch: string;
}

/** Changes a batch, if there is one. */
export async function changeBatch(
  driver: GraphDriver,
  command: BatchCommand,
  expected?: ReferenceModel,
): Promise<void> {
  const { batch } = command;
  const batchId = driver.batchIds.get(batch);
  if (batchId === undefined) return;
  const { batches } = driver.client();
  switch (command.case) {
    case "stop": {
      const { alreadyEnded, canceledByStatus } = await batches.stopBatch({ batchId });
      const count = Object.values(canceledByStatus).reduce((sum, n) => sum + Number(n), 0);
      if (expected !== undefined) {
        const all = expected.tasksOf(batch);
        assert.equal(Number(alreadyEnded), all.filter((task) => hasEnded(task.status)).length, "tasks that had ended");
        const before = expected.countsOf(batch);
        for (const [status, n] of Object.entries(canceledByStatus)) assert.equal(Number(n), before[status], status);
        assert.equal(count, expected.stop(batch).length, "tasks that were canceled");
      }
      driver.operations.push({ case: "stop", batch, count });
      return;
    }
    case "retryBatch": {
      const count = Number((await batches.retryBatch({ batchId })).retriedCount);
      if (expected !== undefined) assert.equal(count, expected.retryBatch(batch).length, "tasks that run again");
      driver.operations.push({ case: "retryBatch", batch, count, alone: expected !== undefined });
      return;
    }
    case "seal":
      await batches.sealBatch({ batchId });
      driver.operations.push({ case: "seal", batch });
      return;
    default: {
      const call = command.case === "pauseBatch" ? batches.pauseBatch({ batchId }) : batches.resumeBatch({ batchId });
      const refusal = await call.then(
        () => undefined,
        (error: unknown) => errorReason(error) ?? error,
      );
      if (refusal !== undefined) assert.equal(refusal, ErrorReason.ILLEGAL_TRANSITION);
      if (expected !== undefined)
        assert.equal(refusal !== undefined, batchHasEnded(expected.batch(batch).status), "refused");
      if (refusal === undefined) driver.operations.push({ case: command.case, batch });
    }
  }
}

async function updatePriority(
  driver: GraphDriver,
  name: string,
  priority: number,
  expected: ReferenceModel | undefined,
): Promise<void> {
  const call = driver.client().tasks.updateTask({
    task: { taskId: driver.id(name), priority },
    updateMask: { paths: ["priority"] },
  });
  const refusal = await call.then(
    () => undefined,
    (error: unknown) => errorReason(error) ?? error,
  );
  if (refusal !== undefined)
    assert.ok(
      [ErrorReason.TASK_ENDED, ErrorReason.ILLEGAL_TRANSITION].includes(refusal as ErrorReason),
      String(refusal),
    );
  if (expected !== undefined) assert.equal(refusal === undefined, expected.updatePriority(name, priority), "refused");
  if (refusal === undefined) driver.operations.push({ case: "update", name, priority });
}

/** Sends reports that must change nothing: of another attempt, or on a task that nobody has. */
async function strayReports(driver: GraphDriver, name: string): Promise<void> {
  const running = driver.model.task(name).status === TaskStatus.RUNNING;
  const reports = [running ? 999 : 0, 999].map((attempt) => ({
    ...{ taskId: driver.id(name), attempt },
    report: { case: "success" as const, value: {} },
  }));
  const { results } = await driver.client().tasks.reportTasks({ reports });
  for (const { result } of results) {
    assert.equal(result.case, "error", `a stray report on ${name}`);
    if (result.case === "error" && running) assert.equal(result.value.reason, ErrorReason.STALE_ATTEMPT);
  }
}
