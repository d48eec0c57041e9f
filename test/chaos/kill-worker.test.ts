import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createWorker, type Event, TaskStatus } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { type Setup, setup } from "../support/setup.ts";
import { until } from "../support/until.ts";

const program = fileURLToPath(new URL("worker-program.ts", import.meta.url));
const heartbeatMs = 4_000;

/**
 * The measure is a task of another worker, which is claimed when the first one is dead, for a lease of a certain length, and not heard of again: whatever the machine
 * is busy with, what is due first happens first. A broken stream cuts leases to one heartbeat interval: the tasks run elsewhere well before one and a half of them (twice
 * the interval is promised), which a lease that was extended just now and not cut does not let them. By calls, the lease is as long as the worker has asked for, here
 * twice the interval; timers that are due within one look, half a second, fire together.
 */
const ways = [
  { how: "stream", measureMs: heartbeatMs * 1.5 },
  { how: "claims", measureMs: heartbeatMs * 2.5 },
];

test.each(ways)("what a worker had that is killed runs elsewhere in time ($how)", async ({ how, measureMs }) => {
  await using s = await setup({ MILLPOND_WORKER_HEARTBEAT: `${heartbeatMs}ms` });
  const kind = "work";
  const { batch, tasks } = await s.client.tasks.createTasks({
    tasks: [...Array.from({ length: 5 }, (_, n) => ({ name: `t${n}`, kind })), { name: "measure", kind: "measure" }],
  });
  const ids = tasks.slice(0, 5).map(({ taskId }) => taskId);
  const measure = tasks[5]?.taskId ?? "";
  const child = spawn(process.execPath, [program, s.url, kind, "killed", how, `${heartbeatMs * 2}`], {
    stdio: "inherit",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const all = () => Promise.all(ids.map(async (taskId) => (await s.client.tasks.getTask({ taskId })).task));
  await until("it has all", async () => (await all()).every((task) => task?.workerId === "killed"));
  // The server is told of each when its claim is answered, just after the commit.
  await until("it is listed with all", async () => {
    const { workers } = await s.client.workers.listWorkers({});
    return workers.map(({ workerId, running }) => `${workerId} ${running.length}`).join() === "killed 5";
  });
  const worker = createWorker({ client: s.client, workerId: "other" }).handle(kind, () => undefined);
  onTestFinished(() => worker.stop());
  worker.start();

  // Just after it has extended its leases, they are at their longest.
  const leases = async () => (await all()).map((task) => task?.leaseExpireTime?.seconds ?? 0n);
  const first = await leases();
  await until("it has extended each", async () => (await leases()).every((lease, n) => lease > (first[n] ?? 0n)));

  child.kill("SIGKILL");
  await once(child, "exit");
  await s.client.workers.claimTasks({ workerId: "measure", kinds: ["measure"], lease: durationFromMs(measureMs) });
  const events = await eventsUntilLost(s, batch?.batchId ?? "", measure);
  const lost = events.filter(isLost).map(({ taskId }) => taskId);
  expect(lost.toSorted()).toEqual([...ids, measure].toSorted());
  expect(lost.at(-1)).toBe(measure);
  expect(startedBy(events, "other").toSorted()).toEqual(ids.toSorted());

  for (const taskId of ids) {
    await until("it has succeeded", async () => {
      const { attempts } = await s.client.tasks.getTask({ taskId });
      return attempts.map(({ attempt, workerId }) => `${attempt} ${workerId}`).join() === "1 killed,2 other";
    });
  }
  await worker.stop();
});

/** The events of a batch up to that by which a task is lost. */
async function eventsUntilLost({ client }: Setup, batchId: string, taskId: string): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor = ""; ; ) {
    const waitTimeout = durationFromMs(30_000);
    const page = await client.events.listEvents({ filter: { batchIds: [batchId] }, cursor, pageSize: 1, waitTimeout });
    events.push(...page.events);
    cursor = page.nextCursor;
    if (page.events.some((event) => event.taskId === taskId && isLost(event))) return events;
  }
}

function isLost({ payload }: Event): boolean {
  if (payload.case !== "taskStatusChanged") return false;
  return payload.value.from === TaskStatus.RUNNING && payload.value.to !== TaskStatus.SUCCESS;
}

/** The tasks whose attempts a worker began. */
function startedBy(events: readonly Event[], workerId: string): string[] {
  return events.flatMap(({ taskId, payload }) =>
    payload.case === "taskStatusChanged" &&
    payload.value.to === TaskStatus.RUNNING &&
    payload.value.workerId === workerId
      ? [taskId]
      : [],
  );
}
