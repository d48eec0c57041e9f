import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CreateTasksResponse,
  ErrorReason,
  isTransient,
  type MillpondClient,
  type ReportTasksResponse,
  TaskStatus,
} from "@millpond/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { after, countTaken, createGraph, range, statusOf, type TaskInit } from "../engine/two-servers.ts";
import { until } from "../support/until.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { insist } from "./insist.ts";
import { committed, hold, type Stage, startStage } from "./kill-point.ts";
import { type MortalPostgres, startMortalPostgres } from "./mortal-postgres.ts";
import { count, prove, readTasks, workOff } from "./prove-end.ts";

const victims = ["a server", "PostgreSQL"] as const;
let postgres: MortalPostgres | undefined;

beforeAll(async () => {
  postgres = await startMortalPostgres();
});

afterAll(() => postgres?.[Symbol.asyncDispose]());

const stageOf = (victim: (typeof victims)[number]): Promise<Stage> =>
  startStage(victim === "PostgreSQL" ? postgres : undefined);

test.each(victims)("before the commit, kill -9 of %s: what is repeated is done once", async (victim) => {
  await using stage = await stageOf(victim);
  const calls = await prepareTwoCalls(stage.client);
  // A transaction changes the rows of batches last.
  await using held = await hold(stage.databaseUrl, "select from batch_state for update");
  const unanswered = expectUnanswered(calls);
  await held.blocks(2);
  await stage.kill();
  await unanswered;
  await stage.revive();

  expect(await count(stage.databaseUrl, "task")).toBe(3);
  expect(await statusOf(stage.client, calls.parentId)).toBe("RUNNING");
  const repeated = Promise.all([insist(calls.grow), insist(calls.report)]);
  // What a dead server had begun goes on in PostgreSQL, and commits: the repeated calls meet it.
  if (victim === "a server") await held.blocks(4);
  await held.release();
  await finishTwoCalls(stage, calls, await repeated);
});

test.each(victims)(
  "after the commit and before the answer, kill -9 of %s: a repeated call gets the first answer, and nothing is done twice",
  async (victim) => {
    await using stage = await stageOf(victim);
    const calls = await prepareTwoCalls(stage.client);
    const withheld =
      victim === "a server"
        ? ["create_graph", "report_tasks"].map((request) => stage.database.withhold({ request, judge: committed() }))
        : ["/CreateTasks", "/ReportTasks"].map((request) =>
            stage.server.withhold({ request, judge: () => "withhold" }),
          );
    const unanswered = expectUnanswered(calls);
    for (const answer of withheld) await answer.arrived();
    const events = await count(stage.databaseUrl, "event_tx");
    await stage.kill();
    await unanswered;
    await stage.revive();

    expect(await count(stage.databaseUrl, "task")).toBe(5);
    expect(await statusOf(stage.client, calls.parentId)).toBe("SUCCESS");
    const repeated = await Promise.all([insist(calls.grow), insist(calls.report)]);
    expect(await count(stage.databaseUrl, "event_tx")).toBe(events);
    await finishTwoCalls(stage, calls, repeated);
  },
);

test.each(victims)(
  "between the claim and the call of start webhooks, kill -9 of %s: start_timeout returns them, and no attempt is called twice",
  async (victim) => {
    await using receiver = await startReceiver((response) => response.writeHead(200).end('{"success":{}}'));
    await using stage = await stageOf(victim);
    const { client, databaseUrl } = stage;
    const withheld = stage.database.withhold({ request: "claim_tasks", judge: committed(/\{\d/) });
    const graph = await createGraph(
      client,
      range(5).map((n) => ({
        ...{ key: `push ${n}`, kind: "push", startTimeout: durationFromMs(3_000) },
        execution: { case: "onStart", value: { url: receiver.url } },
      })),
    );
    await withheld.arrived();
    expect(await count(databaseUrl, "task_state where status = 3 and attempt = 1")).toBe(5);
    await stage.kill();
    await stage.revive();
    await until("all have ended", async () => (await count(databaseUrl, "task_state where status >= 6")) === 5);

    const called = receiver.calls.map(({ headers }) => `${headers["x-task-id"]} ${headers["x-task-attempt"]}`);
    expect(new Set(called).size).toBe(called.length);
    const tasks = await readTasks(databaseUrl);
    for (const id of Object.values(graph.ids)) {
      const { status, attempt = 0, attemptsMax } = tasks.get(id) ?? {};
      expect([status, called.includes(`${id} 1`), called.includes(`${id} ${attempt}`)]).toEqual([6, false, true]);
      expect(attempt).toBeLessThanOrEqual(attemptsMax ?? 0);
    }
    await prove(client, databaseUrl);
  },
);

const cascade = 5_000;
const shapes = {
  chain: (n: number) => after(n === 1 ? "root" : `task ${n - 1}`),
  fan: () => after("root"),
};

test.each(
  victims.flatMap((victim) => [
    { victim, shape: "chain" as const },
    { victim, shape: "fan" as const },
  ]),
)("in the middle of a $shape of 5,000 that fails, kill -9 of $victim: all of it happens or nothing", async (point) => {
  await using stage = await stageOf(point.victim);
  const { client, databaseUrl } = stage;
  const { batchId, ids } = await createGraph(client, [
    { key: "root", kind: "now", inactivityTimeout: longTime },
    ...range(cascade).map((n) => ({ key: `task ${n + 1}`, dependencies: shapes[point.shape](n + 1) })),
  ]);
  await claimOne(client, "now");
  const fail = () =>
    client.tasks.reportTasks({
      reports: [{ taskId: ids.root as string, attempt: 1, report: { case: "failure", value: {} } }],
    });
  // Where the failure of the task in the middle is to be written, somebody else is writing.
  await using held = await hold(
    databaseUrl,
    `insert into task_attempt (task_id, attempt) select id, 0 from task where key = 'task ${cascade / 2}'`,
  );
  const unanswered = expectUnanswered({ fail });
  await held.blocks(1);
  await stage.kill();
  await unanswered;
  if (point.victim === "a server") await held.endBlocked();
  await held.release();
  await stage.revive();

  const stats = async () => (await client.batches.getBatch({ batchId })).batch?.stats?.byStatus;
  expect(await stats()).toEqual({ RUNNING: 1n, WAITING: BigInt(cascade) });
  expect(await count(databaseUrl, "task_attempt")).toBe(0);
  expect(countTaken((await insist(fail)).results)).toBe(1);
  expect(await stats()).toEqual({ FAILURE: BigInt(cascade + 1) });
  await prove(client, databaseUrl);
});

const longTime = durationFromMs(600_000);

/** Two calls that must count once: a create into an open batch with a request_id, and the report of an attempt. */
interface TwoCalls {
  readonly batchIds: readonly string[];
  readonly parentId: string;
  readonly childId: string;
  grow(): Promise<CreateTasksResponse>;
  report(): Promise<ReportTasksResponse>;
}

async function prepareTwoCalls(client: MillpondClient): Promise<TwoCalls> {
  const open = await createGraph(client, [{ key: "first" }], { open: true });
  const closed = await createGraph(client, [
    { key: "parent", kind: "now", inactivityTimeout: longTime },
    { key: "child", dependencies: after("parent") },
  ]);
  await claimOne(client, "now");
  const parentId = closed.id("parent");
  const tasks: readonly TaskInit[] = [{ key: "second" }, { key: "third", dependencies: after("first", "second") }];
  return {
    ...{ batchIds: [open.batchId, closed.batchId], parentId, childId: closed.id("child") },
    grow: () =>
      client.tasks.createTasks({
        ...{ requestId: "growth", target: { case: "batchId", value: open.batchId } },
        tasks: tasks.map((task) => ({ ...task, name: task.key, kind: "work" })),
      }),
    report: () =>
      client.tasks.reportTasks({ reports: [{ taskId: parentId, attempt: 1, report: { case: "success", value: {} } }] }),
  };
}

/** Claims a task for so long that its lease outlasts every kill. */
async function claimOne(client: MillpondClient, kind: string): Promise<void> {
  const { assignments } = await client.workers.claimTasks({ workerId: "worker", kinds: [kind], lease: longTime });
  expect(assignments.map(({ attempt }) => attempt)).toEqual([1]);
}

/** Makes some calls, which must all fail without an answer. */
async function expectUnanswered(calls: object): Promise<void> {
  const made = Object.values(calls).filter((call): call is () => Promise<unknown> => typeof call === "function");
  for (const settled of await Promise.allSettled(made.map((call) => call()))) {
    expect(settled).toMatchObject({ status: "rejected" });
    if (settled.status === "rejected") expect(isTransient(settled.reason), String(settled.reason)).toBe(true);
  }
}

/** Lets everything end and proves that both calls have counted once. */
async function finishTwoCalls(
  { client, databaseUrl }: Stage,
  calls: TwoCalls,
  [grown, reported]: [CreateTasksResponse, ReportTasksResponse],
): Promise<void> {
  const idsOf = (response: CreateTasksResponse) => response.tasks.map(({ key, taskId }) => `${key} ${taskId}`);
  expect(idsOf(await calls.grow())).toEqual(idsOf(grown));
  const { tasks } = await client.tasks.listTasks({ batchId: calls.batchIds[0] as string });
  expect(tasks.map(({ key, taskId }) => `${key} ${taskId}`)).toEqual(expect.arrayContaining(idsOf(grown)));
  expect(tasks.map(({ key }) => key).sort()).toEqual(["first", "second", "third"]);
  // Of a report that was taken before, the repeated one is told that it has happened.
  const { result } = reported.results[0] ?? {};
  if (result?.case === "error")
    expect([result.value.reason, result.value.metadata.status]).toEqual([ErrorReason.TASK_ENDED, "SUCCESS"]);
  else expect(result?.value?.status).toBe(TaskStatus.SUCCESS);
  expect(await statusOf(client, calls.childId)).toBe("PENDING");

  await client.batches.sealBatch({ batchId: calls.batchIds[0] as string });
  expect(await workOff(client, databaseUrl, ["work"])).toBe(4);
  const stats = calls.batchIds.map(async (batchId) => (await client.batches.getBatch({ batchId })).batch?.stats);
  expect((await Promise.all(stats)).map((each) => each?.byStatus)).toEqual([{ SUCCESS: 3n }, { SUCCESS: 2n }]);
  await prove(client, databaseUrl);
}
