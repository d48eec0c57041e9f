import { BatchStatus, DependencyCondition, ErrorReason, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { atOnce, namesOf, playRounds, type Race, startRace, statusesOf, take, unlessRefused } from "./race.ts";
import { after, type CreatedGraph, createGraph, range, report } from "./two-servers.ts";

const { BATCH_SEALED } = ErrorReason;
const cells = range(20);

/** Lets a worker of both servers take all of some kinds and report it. */
async function work(s: Race, kinds: readonly string[], outcome: "success" | "failure" = "success"): Promise<string[]> {
  const taskIds = await take(s.a, kinds);
  if (taskIds.length > 0) await report(s.b, taskIds, outcome);
  return taskIds;
}

function idsOf(graph: CreatedGraph, prefix: string): string[] {
  return cells.map((k) => graph.id(`${prefix}${k}`));
}

test("a task that is retried by several clients at once runs once more", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `t${k}` })),
      { kind },
    );
    const taskIds = await work(s, [kind], n % 2 === 0 ? "failure" : "success");
    const answers = await atOnce(
      range(4).map((k) => async () => {
        const part = k < 2 ? taskIds : [...taskIds].reverse();
        return namesOf((await s.client(k).tasks.retryTasks({ taskIds: part })).results);
      }),
    );
    expect(answers.flat().filter((name) => name === "PENDING").length).toBe(cells.length);
    expect(answers.flat().filter((name) => name === "ILLEGAL_TRANSITION").length).toBe(3 * cells.length);
    expect((await take(s.b, [kind])).sort()).toEqual(taskIds.sort());
    await report(s.a, idsOf(graph, "t"));
    const { batch } = await s.a.batches.getBatch({ batchId: graph.batchId });
    expect(batch?.status).toBe(BatchStatus.SUCCESS);
  });
  await s.finish();
});

test("a child that is created onto a task while that one is retried waits for its new end if it comes second, and is never lost", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const [kind, next] = [`kind ${n % 4}`, `next ${n % 4}`];
    const outcome = n % 2 === 0 ? "success" : "failure";
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `t${k}` })),
      { kind, open: true },
    );
    await work(s, [kind], outcome);
    const children: string[] = [];
    await atOnce<void>(
      cells.flatMap((k) => [
        async () => void (await s.client(k).tasks.retryTasks({ taskIds: [graph.id(`t${k}`)] })),
        async () => {
          const { tasks } = await s.client(k + 1).tasks.createTasks({
            target: { case: "batchId", value: graph.batchId },
            tasks: [
              {
                ...{ name: "child", kind: next },
                dependencies: [{ parent: { case: "taskId", value: graph.id(`t${k}`) } }],
              },
            ],
          });
          children[k] = tasks[0]?.taskId as string;
        },
      ]),
    );
    // Whoever comes second sees the other: a child of a task that runs again waits, unless its former failure had brought the child down before.
    const statuses = await statusesOf(s.a, children);
    for (const status of statuses)
      expect(outcome === "success" ? ["WAITING"] : ["WAITING", "FAILURE"]).toContain(status);
    expect(await take(s.b, [next])).toEqual([]);
    await work(s, [kind]);
    const waited = children.filter((_, k) => statuses[k] === "WAITING");
    expect((await work(s, [next])).sort()).toEqual(waited.sort());
  });
  await s.finish();
});

test("a task that is retried while a parent of it ends is decided by that end, and never waits for ever", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const [kind, next] = [`kind ${n % 4}`, `next ${n % 4}`];
    const graph = await createGraph(s.a, [
      ...cells.flatMap((k) => [
        { key: `good${k}`, kind },
        { key: `bad${k}`, kind },
        { key: `child${k}`, kind: next, dependencies: after(`good${k}`, `bad${k}`) },
      ]),
    ]);
    await take(s.a, [kind]);
    await report(s.a, idsOf(graph, "bad"), "failure");
    await atOnce<unknown>(
      cells.flatMap((k) => [
        () => report(s.client(k), [graph.id(`good${k}`)], k % 4 === 3 ? "failure" : "success"),
        () =>
          k % 2 === 0
            ? s.client(k + 1).tasks.retryTasks({ taskIds: [graph.id(`bad${k}`)], withDependents: true })
            : s.client(k + 1).tasks.retryTasks({ taskIds: [graph.id(`bad${k}`), graph.id(`child${k}`)] }),
      ]),
    );
    await work(s, [kind]);
    const expected = cells.map((k) => (k % 4 === 3 ? "FAILURE" : "PENDING"));
    expect(await statusesOf(s.a, idsOf(graph, "child"))).toEqual(expected);
    await work(s, [next]);
  });
  await s.finish();
});

test("a parent and its child that are retried at the same moment by two clients run one after the other", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const [kind, next] = [`kind ${n % 4}`, `next ${n % 4}`];
    const graph = await createGraph(
      s.a,
      cells.flatMap((k) => [
        { key: `p${k}`, kind },
        { key: `c${k}`, kind: next, dependencies: after(`p${k}`) },
      ]),
    );
    await work(s, [kind]);
    await work(s, [next], n % 2 === 0 ? "failure" : "success");
    await atOnce(
      cells.flatMap((k) =>
        ["p", "c"].map((key) => () => s.client(k).tasks.retryTasks({ taskIds: [graph.id(`${key}${k}`)] })),
      ),
    );
    expect(await statusesOf(s.b, idsOf(graph, "c"))).toEqual(cells.map(() => "WAITING"));
    expect((await work(s, [kind])).sort()).toEqual(idsOf(graph, "p").sort());
    expect((await work(s, [next])).sort()).toEqual(idsOf(graph, "c").sort());
  });
  await s.finish();
});

test("a child of a retried task that is claimed, reported, held or canceled at that moment goes on or waits again, and ends", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const [kind, next] = [`kind ${n % 4}`, `next ${n % 4}`];
    const graph = await createGraph(
      s.a,
      cells.flatMap((k) => [
        { key: `p${k}`, kind },
        { key: `c${k}`, kind: next, dependencies: after(`p${k}`) },
      ]),
    );
    await work(s, [kind]);
    const early = await take(s.a, [next], 5);
    const claimed: string[] = [...early];
    await atOnce<unknown>([
      ...range(4).map(
        (k) => () => s.client(k).tasks.retryTasks({ taskIds: idsOf(graph, "p").slice(k * 5, k * 5 + 5) }),
      ),
      ...range(3).map((k) => async () => void claimed.push(...(await take(s.client(k), [next], 3)))),
      () => report(s.b, early),
      () => s.a.tasks.pauseTasks({ taskIds: idsOf(graph, "c").slice(12, 16) }),
      () => s.b.tasks.cancelTasks({ taskIds: idsOf(graph, "c").slice(16) }),
    ]);
    const statuses = await statusesOf(s.a, idsOf(graph, "c"));
    for (const [k, status] of statuses.entries()) {
      const isClaimed = claimed.includes(graph.id(`c${k}`));
      const others = k < 12 ? ["WAITING"] : k < 16 ? ["PAUSED"] : ["CANCELED"];
      expect(isClaimed ? ["RUNNING", "SUCCESS", "CANCELED"] : others, `c${k}`).toContain(status);
    }
    expect(await take(s.b, [next])).toEqual([]);
    expect((await work(s, [kind])).length).toBe(cells.length);
  });
  await s.finish();
});

test("what waits again for a retried task is let go by its success, though workers of several kinds look at the queues", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const [kind, next] = [`kind ${n % 4}`, `next ${n % 4}`];
    const graph = await createGraph(
      s.a,
      cells.flatMap((k) => [
        { key: `p${k}`, kind },
        { key: `c${k}`, kind: next, dependencies: after(`p${k}`) },
        { key: `o${k}`, kind: `other ${n % 4}`, priority: 1 },
      ]),
    );
    await work(s, [kind]);
    const kinds = [next, `other ${n % 4}`];
    const claimed = await atOnce([
      ...range(8).map((k) => () => take(s.client(k), kinds, 2)),
      ...range(4).map((k) => async (): Promise<string[]> => {
        await s.client(k).tasks.retryTasks({ taskIds: idsOf(graph, "p").slice(k * 5, k * 5 + 5) });
        return [];
      }),
    ]);
    // The only claims from here on: of the kind that was retried.
    await work(s, [kind]);
    await report(s.a, [...claimed.flat()]);
    const ready = await take(s.b, [next]);
    expect([...claimed.flat().filter((id) => idsOf(graph, "c").includes(id)), ...ready].sort()).toEqual(
      idsOf(graph, "c").sort(),
    );
    await report(s.a, ready);
  });
  await s.finish();
});

test("a batch that is retried while it is sealed, stopped, or grows ends in the end, as what came last says", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(
      s.a,
      [
        { key: "good" },
        { key: "bad" },
        { key: "below", dependencies: after("bad") },
        {
          key: "cleanup",
          dependencies: [{ condition: DependencyCondition.FAILURE, parent: { case: "key", value: "bad" } }],
        },
      ],
      { kind, open: true },
    );
    const { batchId } = graph;
    await take(s.a, [kind]);
    await report(s.a, [graph.id("good")]);
    await report(s.a, [graph.id("bad")], "failure");
    const late = await atOnce<unknown>([
      () => s.a.batches.retryBatch({ batchId }),
      () => (n % 2 === 0 ? s.b.batches.sealBatch({ batchId }) : s.b.batches.stopBatch({ batchId })),
      () => s.b.batches.retryBatch({ batchId }),
      () =>
        unlessRefused(
          s.a.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks: [{ name: "new", kind }] }),
          BATCH_SEALED,
        ),
      () => take(s.b, [kind], 1),
    ]);
    expect(late.length).toBe(5);
    for (let left = 1; left > 0; ) {
      left = (await take(s.a, [kind])).length;
      const { tasks } = await s.b.tasks.listTasks({ batchId, statuses: [TaskStatus.RUNNING] });
      if (tasks.length > 0)
        await report(
          s.b,
          tasks.map((task) => task.taskId),
        );
      left += tasks.length;
    }
    const { batch } = await s.a.batches.getBatch({ batchId });
    expect(batch?.open).toBe(false);
    expect([BatchStatus.SUCCESS, BatchStatus.FAILURE, BatchStatus.CANCELED]).toContain(batch?.status);
    if (n % 2 === 0) expect(batch?.status).toBe(BatchStatus.SUCCESS);
    const living = ["WAITING", "PENDING", "RUNNING", "PAUSED"].filter((name) => batch?.stats?.byStatus[name]);
    expect(living).toEqual([]);
  });
  await s.finish();
});
