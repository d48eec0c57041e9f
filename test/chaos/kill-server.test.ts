import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BatchStatus, createClient, createWorker, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { freePort, type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { until } from "../support/until.ts";

const layers = 12;
const width = 10;
const kills = 3;

test("a server that is killed in the middle of a graph loses nothing that it acknowledged, and the graph ends", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "millpond-kill-"));
  const env = { PORT: String(await freePort()), MILLPOND_DATA_DIR: dataDir, MILLPOND_WORKER_HEARTBEAT: "1s" };
  let server: ServeProcess = await startServeProcess(env);
  const client = createClient({ address: server.url, retry: { maxAttempts: 30 } });
  const executed = new Map<string, number>();
  const worker = createWorker({ client, slots: 8, leaseMs: 2_000, claimWaitMs: 2_000 });
  worker.handle("work", ({ task }) => {
    executed.set(task?.taskId ?? "", (executed.get(task?.taskId ?? "") ?? 0) + 1);
    return { ran: task?.key };
  });
  onTestFinished(async () => {
    await worker.stop();
    await server.end("SIGTERM");
    await rm(dataDir, { recursive: true, force: true });
  });

  const created = await client.tasks.createTasks({ tasks: layeredGraph() });
  const batchId = created.batch?.batchId ?? "";
  worker.start();
  for (let kill = 1; kill <= kills; kill += 1) {
    await until(`${kill * 30} tasks have succeeded`, async () => (await successes(client, batchId)) >= kill * 30);
    const acknowledged = await succeeded(client, batchId);
    expect((await server.end("SIGKILL")).signal).toBe("SIGKILL");
    server = await startServeProcess(env);
    const after = await succeeded(client, batchId);
    expect([...acknowledged].filter((id) => !after.has(id))).toEqual([]);
  }

  await until(
    "the batch has ended",
    async () => (await client.batches.getBatch({ batchId })).batch?.status === BatchStatus.SUCCESS,
  );
  const batch = (await client.batches.getBatch({ batchId })).batch;
  expect(batch?.stats?.byStatus).toEqual({ SUCCESS: BigInt(layers * width) });
  expect(executed.size).toBe(layers * width);
});

function layeredGraph() {
  return Array.from({ length: layers * width }, (_, n) => {
    const layer = Math.floor(n / width);
    const parents = layer === 0 ? [] : [n - width, layer * width - 1 - (n % 3)];
    const dependencies = [...new Set(parents)].map((parent) => ({
      parent: { case: "key" as const, value: `t${parent}` },
    }));
    return { key: `t${n}`, name: `task ${n}`, kind: "work", dependencies };
  });
}

async function successes(client: MillpondClient, batchId: string): Promise<number> {
  const { batch } = await client.batches.getBatch({ batchId });
  return Number(batch?.stats?.byStatus.SUCCESS ?? 0n);
}

async function succeeded(client: MillpondClient, batchId: string): Promise<Set<string>> {
  const { tasks } = await client.tasks.listTasks({ batchId, statuses: [TaskStatus.SUCCESS], pageSize: 1000 });
  return new Set(tasks.map((task) => task.taskId));
}
