import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { BatchStatus, createGraph, onFailure, TaskStatus } from "@millpond/sdk";
import { expect, it } from "vitest";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";
import { startReceiver } from "../webhooks/receiver.ts";

const root = path.resolve(import.meta.dirname, "../..");
const [tasks = "", batches = ""] = readFileSync(path.join(root, "docs/states.md"), "utf8").split("## Batches");

const rows = (part: string) =>
  [...part.matchAll(/^\| (–|[A-Z]+) \| ([A-Z]+) \| .* \| (`.*`) \|$/gm)].map(
    ([, from = "", to = "", functions = ""]) => ({
      change: `${from} -> ${to}`,
      functions: [...functions.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name),
    }),
  );
const changes = (part: string) => rows(part).map(({ change }) => change);
const drawn = (part: string) =>
  [...part.matchAll(/^ {2}(\S+) --> (\S+)$/gm)].map(([, from = "", to = ""]) => `${from.replace("[*]", "–")} -> ${to}`);

it("draws in docs/states.md exactly the transitions of the tables below", () => {
  expect(drawn(tasks).toSorted()).toEqual(changes(tasks).toSorted());
  expect(drawn(batches).toSorted()).toEqual(changes(batches).toSorted());
});

it("names in docs/states.md exactly the database functions that write a status", () => {
  const writers = (table: string) =>
    globSync("migrations/0001-core/mp_*.sql", { cwd: root })
      .filter((file) => {
        const text = readFileSync(path.join(root, file), "utf8");
        return new RegExp(
          `insert into ${table} |update ${table} \\w+ set\\s(?:(?!\\bwhere\\b)[^;])*?\\bstatus = `,
        ).test(text);
      })
      .map((file) => path.basename(file, ".sql"));
  const named = (part: string) => [...new Set(rows(part).flatMap(({ functions }) => functions))];
  expect(named(tasks).toSorted()).toEqual(writers("task_state").toSorted());
  expect(named(batches).toSorted()).toEqual(writers("batch_state").toSorted());
});

it("makes every transition of docs/states.md, and no other", async () => {
  await using millpond = await setup();
  await using silent = await startReceiver(() => {
    // Never answers: its tasks stay CLAIMED.
  });
  await using quick = await startReceiver((response) => response.writeHead(200).end());
  await using done = await startReceiver((response) => response.end('{"success":{}}'));
  await using refusing = await startReceiver((response) => response.writeHead(400).end());
  const start = (url: string) => ({ case: "onStart", value: { url } }) as const;

  const graph = createGraph({ name: "all" });
  graph.task("pushed", { kind: "push", execution: start(quick.url) });
  graph.task("pushed to its end", { kind: "push", execution: start(done.url) });
  graph.task("refused", { kind: "push", execution: start(refusing.url) });
  graph.task("unanswered", { kind: "push", execution: start(silent.url), startTimeoutMs: 50 });
  graph.task("canceled while claimed", { kind: "push", execution: start(silent.url) });
  graph.task("canceled while running", { kind: "a" });
  graph.task("canceled while pending", { kind: "nobody" });
  graph.task("lost", { kind: "lost" });
  const good = graph.task("good", { kind: "a" });
  const bad = graph.task("bad", { kind: "a" });
  graph.task("after good", { kind: "nobody", after: [good] });
  graph.task("join after good", { kind: "join", after: [good], execution: { case: "join", value: {} } });
  graph.task("only if good fails", { kind: "a", after: [onFailure(good)] });
  graph.task("brought down", { kind: "a", after: [bad] });
  graph.task("canceled while waiting", { kind: "a", after: ["canceled while pending", "lost"] });
  graph.task("join alone", { kind: "join", execution: { case: "join", value: {} } });
  const created = await millpond.client.tasks.createTasks(graph.toRequest());
  const idOf = (key: string) => created.tasks.find((task) => task.key === key)?.taskId ?? "";
  const reached = async (key: string, status: TaskStatus) =>
    expect
      .poll(async () => (await millpond.client.tasks.getTask({ taskId: idOf(key) })).task?.status, { timeout: 60_000 })
      .toBe(status);

  const lease = { seconds: 1n, nanos: 0 };
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: ["lost"], lease });
  await millpond.client.workers.claimTasks({ workerId: "w", kinds: ["a"], maxTasks: 10 });
  await reached("canceled while claimed", TaskStatus.CLAIMED);
  await millpond.client.tasks.cancelTasks({
    taskIds: ["waiting", "pending", "claimed", "running"].map((status) => idOf(`canceled while ${status}`)),
  });
  await millpond.client.tasks.reportTasks({
    reports: [
      { taskId: idOf("good"), report: { case: "success", value: {} } },
      { taskId: idOf("bad"), report: { case: "failure", value: { message: "no" } } },
    ],
  });
  await reached("pushed", TaskStatus.RUNNING);
  await millpond.client.tasks.reportTasks({
    reports: [{ taskId: idOf("pushed"), report: { case: "success", value: {} } }],
  });
  await reached("pushed to its end", TaskStatus.SUCCESS);
  await reached("refused", TaskStatus.FAILURE);
  await reached("unanswered", TaskStatus.FAILURE);
  await reached("lost", TaskStatus.PENDING);
  await millpond.client.batches.stopBatch({ batchId: created.batch?.batchId ?? "" });
  await endBatches(millpond);

  const happened = await changesOf(millpond);
  expect(happened.tasks).toEqual(changes(tasks).toSorted());
  // Sealing is no transition.
  expect(happened.batches).toEqual(changes(batches).toSorted());
});

/** Ends one batch with success and one with a failure. */
async function endBatches({ client }: Setup): Promise<void> {
  const success = { case: "success", value: {} } as const;
  const failure = { case: "failure", value: { message: "no" } } as const;
  for (const status of [BatchStatus.SUCCESS, BatchStatus.FAILURE]) {
    const { batch } = await client.tasks.createTasks({ tasks: [{ name: "only", kind: "only" }] });
    const { assignments } = await client.workers.claimTasks({ workerId: "w", kinds: ["only"] });
    const closing = { taskId: assignments[0]?.task?.taskId ?? "", attempt: 1 };
    await client.tasks.reportTasks({
      reports: [status === BatchStatus.SUCCESS ? { ...closing, report: success } : { ...closing, report: failure }],
    });
    const ended = await client.batches.getBatch({ batchId: batch?.batchId ?? "" });
    expect(ended.batch?.status).toBe(status);
  }
}

/** What the feed of the database holds: each kind of change once, as "FROM -> TO". */
async function changesOf({ database }: Setup): Promise<{ tasks: string[]; batches: string[] }> {
  const { rows: found } = await withClient(database.url, (client) =>
    client.query<{ batch: boolean; from: number; to: number }>(
      `select distinct x.type = 5 batch, x."from", x."to" from event_tx e,
        unnest(e.types, e.from_statuses, e.to_statuses) x(type, "from", "to") where x.type <> 4 and x."from" <> x."to"`,
    ),
  );
  const named = (names: Record<number, string>, wanted: boolean) =>
    found
      .filter(({ batch }) => batch === wanted)
      .map(({ from, to }) => `${from === 0 ? "–" : names[from]} -> ${names[to]}`)
      .toSorted();
  return { tasks: named(TaskStatus, false), batches: named(BatchStatus, true) };
}
