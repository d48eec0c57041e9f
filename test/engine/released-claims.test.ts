import { TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { createIdCodec } from "../../src/domain/ids.ts";
import { releaseTasks } from "../../src/store/attempts.ts";
import { Database } from "../../src/store/database.ts";
import { readInstance } from "../../src/store/instance.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";

test("claims that are given back use up no attempt: after six of them a task still survives a lost lease", async () => {
  await using s = await setup();
  const db = new Database({ url: s.database.url, writers: 1, readers: 1, connectTimeoutMs: 5_000, onError: () => {} });
  const ids = createIdCodec((await readInstance(db)).uuidSalt);
  const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "t", kind: "k" }] });
  const taskId = tasks[0]?.taskId ?? "";
  const claim = async (): Promise<number> => {
    const answer = await s.client.workers.claimTasks({
      workerId: "w",
      kinds: ["k"],
      lease: { seconds: 1n },
      waitTimeout: { seconds: 30n },
    });
    return answer.assignments[0]?.attempt ?? 0;
  };
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    expect(await claim()).toBe(attempt);
    await releaseTasks(db, [{ id: ids.decode(taskId) as bigint, attempt }]);
  }
  await db.close();
  expect(await claim()).toBe(7);
  const status = async () => (await s.client.tasks.getTask({ taskId })).task?.status;
  await until("the lease is lost", async () => (await status()) === TaskStatus.PENDING);
  expect(await claim()).toBe(8);
  await checkInvariants(s.database.url);
});
