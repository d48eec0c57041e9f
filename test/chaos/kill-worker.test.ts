import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createWorker } from "@millpond/sdk";
import { onTestFinished, test } from "vitest";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";

const program = fileURLToPath(new URL("worker-program.ts", import.meta.url));

test.each(["stream", "claims"])("what a worker had that is killed runs elsewhere (%s)", async (how) => {
  await using s = await setup({ MILLPOND_WORKER_HEARTBEAT: "1s" });
  const kind = "work";
  const { tasks } = await s.client.tasks.createTasks({
    tasks: Array.from({ length: 5 }, (_, n) => ({ name: `t${n}`, kind })),
  });
  const child = spawn(process.execPath, [program, s.url, kind, "killed", how], { stdio: "inherit" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const all = () => Promise.all(tasks.map(async ({ taskId }) => (await s.client.tasks.getTask({ taskId })).task));
  await until("it has all", async () => (await all()).every((task) => task?.workerId === "killed"));
  // The server is told of each when its claim is answered, just after the commit.
  await until("it is listed with all", async () => {
    const { workers } = await s.client.workers.listWorkers({});
    return workers.map(({ workerId, running }) => `${workerId} ${running.length}`).join() === "killed 5";
  });

  child.kill("SIGKILL");
  const worker = createWorker({ client: s.client, workerId: "other" }).handle(kind, () => undefined);
  onTestFinished(() => worker.stop());
  worker.start();
  await until("another one has done all", async () => (await all()).every((task) => task?.workerId === "other"));
  for (const { taskId } of tasks) {
    await until("it has succeeded", async () => {
      const { attempts } = await s.client.tasks.getTask({ taskId });
      return attempts.map(({ attempt, workerId }) => `${attempt} ${workerId}`).join() === "1 killed,2 other";
    });
  }
  await worker.stop();
});
