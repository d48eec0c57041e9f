import assert from "node:assert/strict";
import { BatchStatus, DeliveryTrigger, type MillpondClient, type Task, TaskStatus } from "@millpond/sdk";
import type { GraphDriver } from "./graph-driver.ts";

/** Compares what the API says with the model: the status, attempt and priority of each task, the status and statistics of each batch. */
export async function compareWithModel(driver: GraphDriver): Promise<void> {
  await Promise.all([...driver.batchIds].map(([batch, batchId]) => compareBatch(driver, batch, batchId)));
}

async function compareBatch(driver: GraphDriver, batch: string, batchId: string): Promise<void> {
  const { model, taskIds } = driver;
  const client = driver.client();
  const [listed, { batch: answer }] = await Promise.all([
    listTasks(client, batchId),
    driver.client().batches.getBatch({ batchId }),
  ]);
  const tasks = new Map(listed.map((task) => [task.taskId, task]));
  const expected = model.tasksOf(batch);
  assert.equal(tasks.size, expected.length, `tasks of ${batch}`);
  for (const { name, status, attempt, priority } of expected) {
    const task = tasks.get(taskIds.get(name) as string);
    assert.equal(TaskStatus[task?.status ?? 0], TaskStatus[status], `status of ${name}`);
    assert.equal(task?.attempt, attempt, `attempt of ${name}`);
    assert.equal(task?.priority, priority, `priority of ${name}`);
  }
  const { status, open } = model.batch(batch);
  assert.equal(BatchStatus[answer?.status ?? 0], BatchStatus[status], `status of ${batch}`);
  assert.equal(answer?.open, open, `openness of ${batch}`);
  assert.equal(Number(answer?.stats?.total), expected.length, `total of ${batch}`);
  const counts = Object.entries(answer?.stats?.byStatus ?? {}).filter(([, count]) => count > 0n);
  assert.deepEqual(Object.fromEntries(counts.map(([name, count]) => [name, Number(count)])), model.countsOf(batch));
}

/** Compares the deliveries with the model: one for each end of a batch or task that has a webhook for it. */
export async function compareDeliveries({ model, taskIds, batchIds, options }: GraphDriver): Promise<void> {
  const triggers = new Map([
    [TaskStatus.SUCCESS, DeliveryTrigger.SUCCESS],
    [TaskStatus.FAILURE, DeliveryTrigger.FAILURE],
    [TaskStatus.CANCELED, DeliveryTrigger.CANCEL],
  ]);
  const notified = new Set(
    options.scenario.parts.flatMap(({ tasks }) => tasks.filter((task) => task.notify).map(({ name }) => name)),
  );
  for (const [batch, batchId] of batchIds) {
    const ofBatch = options.scenario.batches[batch]?.notify ? model.batch(batch).ends : 0;
    const ofTasks = model
      .tasksOf(batch)
      .filter(({ name }) => notified.has(name))
      .flatMap(({ name, ends }) =>
        ends.filter((end) => triggers.has(end)).map((end) => `${taskIds.get(name)} ${triggers.get(end)}`),
      );
    const expected = [...Array.from({ length: ofBatch }, () => ` ${DeliveryTrigger.BATCH_COMPLETE}`), ...ofTasks];
    assert.deepEqual(
      (await listDeliveries(options.clients[0] as MillpondClient, batchId)).sort(),
      expected.sort(),
      `deliveries of ${batch}`,
    );
  }
}

async function listDeliveries(client: MillpondClient, batchId: string): Promise<string[]> {
  const deliveries: string[] = [];
  let pageToken = "";
  do {
    const page = await client.deliveries.listDeliveries({ batchId, pageToken, pageSize: 25 });
    deliveries.push(...page.deliveries.map(({ taskId, trigger }) => `${taskId} ${trigger}`));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return deliveries;
}

async function listTasks(client: MillpondClient, batchId: string): Promise<Task[]> {
  const tasks: Task[] = [];
  let pageToken = "";
  do {
    const page = await client.tasks.listTasks({ batchId, pageToken, pageSize: 25 });
    tasks.push(...page.tasks);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return tasks;
}
