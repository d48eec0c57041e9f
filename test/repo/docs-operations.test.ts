import { readFileSync } from "node:fs";
import path from "node:path";
import type { MillpondClient } from "@millpond/sdk";
import { expect, it } from "vitest";
import { type Setup, setup } from "../support/setup.ts";
import { withClient } from "../support/template-database.ts";

const document = readFileSync(path.resolve(import.meta.dirname, "../../docs/operations.md"), "utf8");
const queries = [...document.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, text = ""]) => text);

it("lists in docs/operations.md exactly the metrics that a server shows", async () => {
  await using millpond = await setup();
  const metrics = await (await fetch(`${millpond.url}/metrics`)).text();
  const shown = [...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    .map(([, name = "", type = ""]) => `${name} ${type}`)
    .filter((metric) => !/^(process|nodejs)_/.test(metric));
  const listed = [...document.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram)\b/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  expect(listed.toSorted()).toEqual(shown.toSorted());
});

it("gives in docs/operations.md queries that work, also the one that finds the row of a UUID", async () => {
  await using millpond = await setup();
  const taskId = await makeHistory(millpond);
  await withClient(millpond.database.url, async (client) => {
    for (const query of queries) {
      const text = query.replace(/'[0-9a-f]{8}-[0-9a-f-]{27}'/, `'${taskId}'`);
      const { rows } = await client.query(text);
      const heading = document.slice(0, document.indexOf(query)).split("**").at(-2) ?? "";
      if (/^What (is held|backs off)\?$/.test(heading)) expect(rows, query).toHaveLength(1);
      if (text !== query) expect(rows).toMatchObject([{ kind: "k", key: "running", status: 4, attempt: 1 }]);
    }
  });
});

it("gives in docs/operations.md invariants that hold", async () => {
  await using millpond = await setup();
  await makeHistory(millpond);
  const invariants = document.slice(document.indexOf("**Is the engine right?**"));
  const texts = queries.filter((query) => invariants.includes(query));
  expect(texts.length).toBeGreaterThan(3);
  await withClient(millpond.database.url, async (client) => {
    for (const text of texts) expect((await client.query(text)).rows, text).toEqual([]);
  });
});

/** A batch with tasks in several states; answers the id of the one that runs. */
async function makeHistory({ client }: Setup): Promise<string> {
  const { tasks } = await client.tasks.createTasks({
    tasks: [
      { key: "running", name: "running", kind: "k", priority: 1 },
      { key: "ready", name: "ready", kind: "other" },
      { key: "failed", name: "failed", kind: "k" },
      { key: "waiting", name: "waiting", kind: "k", dependencies: [{ parent: { case: "key", value: "running" } }] },
      { key: "down", name: "down", kind: "k", dependencies: [{ parent: { case: "key", value: "failed" } }] },
    ],
  });
  const idOf = (key: string) => tasks.find((task) => task.key === key)?.taskId ?? "";
  await client.workers.claimTasks({ workerId: "w", kinds: ["k"], maxTasks: 2 });
  await client.tasks.reportTasks({
    reports: [{ taskId: idOf("failed"), report: { case: "failure", value: { message: "no" } } }],
  });
  await holdSome(client);
  return idOf("running");
}

/** A batch that is held, whose task a claim has put aside, a task that is held, and one that backs off. */
async function holdSome(client: MillpondClient): Promise<void> {
  const created = await client.tasks.createTasks({
    target: { case: "newBatch", value: { paused: true } },
    tasks: [{ name: "put aside", kind: "held" }],
  });
  const backOff = { seconds: 3600n, nanos: 0 };
  const { tasks } = await client.tasks.createTasks({
    tasks: [
      { name: "held", kind: "other" },
      { name: "backs off", kind: "held", retry: { maxAttempts: 2, initialBackoff: backOff, maxBackoff: backOff } },
    ],
  });
  await client.tasks.pauseTasks({ taskIds: [tasks[0]?.taskId ?? ""] });
  const { assignments } = await client.workers.claimTasks({ workerId: "w", kinds: ["held"], maxTasks: 10 });
  expect(assignments.map(({ task }) => task?.name)).toEqual(["backs off"]);
  await client.tasks.reportTasks({
    reports: [{ taskId: tasks[1]?.taskId ?? "", report: { case: "failure", value: { message: "no" } } }],
  });
  expect((await client.batches.getBatch({ batchId: created.batch?.batchId ?? "" })).batch?.stats?.byStatus).toEqual({
    PENDING: 1n,
  });
}
