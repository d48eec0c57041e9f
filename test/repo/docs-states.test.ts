import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { BatchStatus, createGraph, onFailure, type TaskGraph, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import { expect, it } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { startReceiver } from "../webhooks/receiver.ts";

const root = path.resolve(import.meta.dirname, "../..");
const [tasks = "", batches = ""] = readFileSync(path.join(root, "docs/states.md"), "utf8").split("## Batches");

const rows = (part: string) =>
  [...part.matchAll(/^\| (–|[A-Z, ]+) \| ([A-Z, ]+) \| .* \| (`.*`) \|$/gm)].flatMap(
    ([, froms = "", tos = "", functions = ""]) =>
      froms.split(", ").flatMap((from) =>
        tos.split(", ").map((to) => ({
          change: `${from} -> ${to}`,
          functions: [...functions.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name),
        })),
      ),
  );
const changes = (part: string) => rows(part).map(({ change }) => change);
const drawn = (part: string) =>
  [...part.matchAll(/^ {2}(\S+) --> (\S+)$/gm)].map(([, from = "", to = ""]) => `${from.replace("[*]", "–")} -> ${to}`);

it("draws in docs/states.md exactly the transitions of the tables below", () => {
  expect(drawn(tasks).toSorted()).toEqual(changes(tasks).toSorted());
  expect(drawn(batches).toSorted()).toEqual(changes(batches).toSorted());
});

it("names in docs/states.md exactly the database functions that write a status", () => {
  // Of a function that several migrations define, the last definition.
  const newest = new Map(
    globSync("migrations/*/mp_*.sql", { cwd: root })
      .toSorted()
      .map((file) => [path.basename(file, ".sql"), readFileSync(path.join(root, file), "utf8")]),
  );
  const writers = (table: string) => {
    const writing = new RegExp(
      `insert into ${table} |update ${table} (?:\\w+ )?set\\s(?:(?!\\bwhere\\b)[^;])*?(?<!\\.)\\bstatus = `,
    );
    return [...newest].filter(([, text]) => writing.test(text)).map(([name]) => name);
  };
  const named = (part: string) => [...new Set(rows(part).flatMap(({ functions }) => functions))];
  expect(named(tasks).toSorted()).toEqual(writers("task_state").toSorted());
  expect(named(batches).toSorted()).toEqual(writers("batch_state").toSorted());
});

it("makes every transition of docs/states.md, and no other", async () => {
  await using millpond = await setup();
  await runTasks(millpond);
  await holdTasks(millpond);
  await runAgain(millpond);
  await endBatches(millpond);

  const happened = await changesOf(millpond);
  expect(happened.tasks).toEqual(changes(tasks).toSorted());
  expect(happened.batches).toEqual(changes(batches).toSorted());
  await checkInvariants(millpond.database.url);
});

const success = { case: "success", value: {} } as const;
const failure = { case: "failure", value: { message: "no" } } as const;
const join = { case: "join", value: {} } as const;

/** Starts tasks and ends them, in every way except by a call on PAUSED or ended ones. */
async function runTasks(millpond: Setup): Promise<void> {
  await using silent = await startReceiver(() => {
    // Never answers: its tasks stay CLAIMED.
  });
  await using quick = await startReceiver((response) => response.writeHead(200).end());
  await using done = await startReceiver((response) => response.end('{"success":{}}'));
  await using refusing = await startReceiver((response) => response.writeHead(400).end());
  await using busy = await startReceiver((response) => response.writeHead(503).end());
  const push = (url: string) => ({ kind: "push", execution: { case: "onStart", value: { url } } }) as const;
  const retry = { maxAttempts: 2, initialBackoffMs: 10 };

  const graph = createGraph({ name: "all" });
  graph.task("pushed", push(quick.url));
  graph.task("pushed to its end", push(done.url));
  graph.task("refused", push(refusing.url));
  graph.task("pushed twice", { ...push(busy.url), retry });
  graph.task("unanswered", { ...push(silent.url), startTimeoutMs: 50 });
  graph.task("canceled while claimed", push(silent.url));
  graph.task("canceled while running", { kind: "a" });
  graph.task("canceled while pending", { kind: "nobody" });
  graph.task("overdue", { kind: "nobody", totalTimeoutMs: 50 });
  graph.task("repeated", { kind: "a", retry: { ...retry, initialBackoffMs: 3_600_000, maxBackoffMs: 3_600_000 } });
  graph.task("lost", { kind: "lost" });
  const good = graph.task("good", { kind: "a" });
  const bad = graph.task("bad", { kind: "a" });
  graph.task("after good", { kind: "nobody", after: [good] });
  graph.task("join after good", { kind: "join", after: [good], execution: join });
  graph.task("only if good fails", { kind: "a", after: [onFailure(good)] });
  graph.task("brought down", { kind: "a", after: [bad] });
  graph.task("canceled while waiting", { kind: "a", after: ["canceled while pending", "lost"] });
  graph.task("join alone", { kind: "join", execution: join });
  const { idOf, batchId } = await created(millpond, graph);
  const reached = async (key: string, status: TaskStatus) =>
    expect
      .poll(async () => (await millpond.client.tasks.getTask({ taskId: idOf(key) })).task?.status, { timeout: 60_000 })
      .toBe(status);
  const report = (key: string, said: typeof success | typeof failure) => ({ taskId: idOf(key), report: said });

  const lease = { seconds: 1n, nanos: 0 };
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: ["lost"], lease });
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: ["a"], maxTasks: 10 });
  await reached("canceled while claimed", TaskStatus.CLAIMED);
  await millpond.client.tasks.cancelTasks({
    taskIds: ["waiting", "pending", "claimed", "running"].map((status) => idOf(`canceled while ${status}`)),
  });
  await millpond.client.tasks.reportTasks({
    reports: [report("good", success), report("bad", failure), report("repeated", failure)],
  });
  await reached("repeated", TaskStatus.PENDING);
  await reached("pushed", TaskStatus.RUNNING);
  await millpond.client.tasks.reportTasks({ reports: [report("pushed", success)] });
  await reached("pushed to its end", TaskStatus.SUCCESS);
  for (const key of ["refused", "pushed twice", "unanswered", "overdue"]) await reached(key, TaskStatus.FAILURE);
  await reached("lost", TaskStatus.PENDING);
  await millpond.client.batches.stopBatch({ batchId });
}

/** Holds tasks, lets some go, and ends the others while they are held. */
async function holdTasks(millpond: Setup): Promise<void> {
  const { tasks: service } = millpond.client;
  const graph = createGraph({ name: "held" });
  const [good, bad] = [graph.task("good", { kind: "held" }), graph.task("bad", { kind: "held" })];
  graph.task("pending", { kind: "nobody" });
  graph.task("waiting", { kind: "nobody", after: ["pending"] });
  graph.task("join", { kind: "join", after: [good], execution: join });
  graph.task("brought down", { kind: "nobody", after: [bad] });
  graph.task("skipped", { kind: "nobody", after: [onFailure(good)] });
  graph.task("canceled", { kind: "nobody" });
  const { idOf } = await created(millpond, graph);
  const held = ["pending", "waiting", "join", "brought down", "skipped", "canceled"].map(idOf);
  await service.pauseTasks({ taskIds: held });
  await service.cancelTasks({ taskIds: [idOf("canceled")] });
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: ["held"], maxTasks: 2 });
  await service.reportTasks({
    reports: [
      { taskId: idOf("good"), report: success },
      { taskId: idOf("bad"), report: failure },
    ],
  });
  await service.resumeTasks({ taskIds: ["pending", "waiting", "join"].map(idOf) });
}

/** Runs tasks again that have ended in each way: alone, and together with the one on which they depend. */
async function runAgain(millpond: Setup): Promise<void> {
  const { tasks: service, workers } = millpond.client;
  const graph = createGraph({ name: "again" });
  const parent = graph.task("parent", { kind: "again" });
  const [work, joined] = [{ kind: "nobody" }, { kind: "join", execution: join }] as const;
  const skip = { unmetPolicy: UnmetPolicy.SKIP };
  for (const [name, options] of Object.entries({ fail: {}, skip, cancel: {} })) {
    graph.task(`${name} work`, { ...work, ...options, after: [parent] });
    graph.task(`${name} join`, { ...joined, ...options, after: [parent] });
  }
  const { idOf } = await created(millpond, graph);
  const cancel = (...keys: string[]) => service.cancelTasks({ taskIds: keys.map(idOf) });
  const retry = async (...keys: string[]) => {
    const { results } = await service.retryTasks({ taskIds: keys.map(idOf) });
    expect(results.map(({ result }) => result.case)).toEqual(keys.map(() => "task"));
  };
  const runParent = async (report: typeof success | typeof failure) => {
    await workers.claimTasks({ workerId: "w", kinds: ["again"] });
    await service.reportTasks({ reports: [{ taskId: idOf("parent"), report }] });
  };

  await cancel("cancel work", "cancel join");
  await runParent(success);
  await retry("cancel work", "cancel join", "fail join");
  await cancel("cancel work");
  await retry("parent");
  await retry("fail join", "skip join", "cancel work");
  await runParent(failure);
  await retry("parent", "fail work", "skip work");
  await runParent(failure);
  await retry("parent");
  await runParent(success);
  await retry("fail work", "fail join", "skip work", "skip join");
}

/** Ends batches in each way, ACTIVE and PAUSED ones, and runs something in them again. */
async function endBatches({ client }: Setup): Promise<void> {
  for (const paused of [false, true]) {
    for (const status of [BatchStatus.SUCCESS, BatchStatus.FAILURE, BatchStatus.CANCELED]) {
      const target = { case: "newBatch", value: { paused } } as const;
      const answer = await client.tasks.createTasks({ target, tasks: [{ name: "only", kind: "only" }] });
      const [batchId, taskId] = [answer.batch?.batchId ?? "", answer.tasks[0]?.taskId ?? ""];
      if (paused) await client.batches.resumeBatch({ batchId });
      await client.workers.claimTasks({ workerId: "w", kinds: ["only"] });
      if (paused) await client.batches.pauseBatch({ batchId });
      if (status === BatchStatus.CANCELED) await client.batches.stopBatch({ batchId });
      const report = status === BatchStatus.SUCCESS ? success : failure;
      if (status !== BatchStatus.CANCELED) await client.tasks.reportTasks({ reports: [{ taskId, report }] });
      expect((await client.batches.getBatch({ batchId })).batch?.status).toBe(status);
      await client.tasks.retryTasks({ taskIds: [taskId] });
      expect((await client.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.ACTIVE);
      await client.batches.stopBatch({ batchId });
    }
  }
}

/** Creates a graph; answers its batch, and its tasks' ids by key. */
async function created({ client }: Setup, graph: TaskGraph) {
  const answer = await client.tasks.createTasks(graph.toRequest());
  const ids = new Map(answer.tasks.map(({ key, taskId }) => [key, taskId]));
  return { batchId: answer.batch?.batchId ?? "", idOf: (key: string) => ids.get(key) ?? "" };
}

/** What the feed of the database holds: each kind of change once, as "FROM -> TO". An edit of a task and a seal of a batch are none. */
async function changesOf({ database }: Setup): Promise<{ tasks: string[]; batches: string[] }> {
  const { rows: found } = await withClient(database.url, (client) =>
    client.query<{ batch: boolean; from: number; to: number }>(
      `select distinct type = 5 batch, from_status "from", to_status "to" from event_change
        where type in (1, 2, 3, 7) or (type = 5 and from_status <> to_status)`,
    ),
  );
  const named = (names: Record<number, string>, wanted: boolean) =>
    found
      .filter(({ batch }) => batch === wanted)
      .map(({ from, to }) => `${from === 0 ? "–" : names[from]} -> ${names[to]}`)
      .toSorted();
  return { tasks: named(TaskStatus, false), batches: named(BatchStatus, true) };
}
