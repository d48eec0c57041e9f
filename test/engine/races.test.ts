import { BatchStatus, DependencyCondition, ErrorReason, errorReason, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import { expect, test } from "vitest";
import { createRandom } from "./random.ts";
import {
  after,
  claim,
  countTaken,
  createGraph,
  getTask,
  range,
  repeat,
  report,
  startTwoServers,
  statusOf,
  type TaskInit,
} from "./two-servers.ts";

test("of a success and a cancel of one task exactly one counts, and what follows is its", async () => {
  await using s = await startTwoServers();
  await repeat(12, async () => {
    const cells = range(16);
    const graph = await createGraph(
      s.a,
      cells.flatMap((k) => [
        { key: `task ${k}` },
        { key: `child ${k}`, kind: "next", dependencies: after(`task ${k}`) },
      ]),
    );
    await claim(s.a, "work");
    await Promise.all(
      cells.map(async (k) => {
        const taskId = graph.id(`task ${k}`);
        const [reported, canceled] = await Promise.all([
          report(s.a, [taskId]),
          s.b.tasks.cancelTasks({ taskIds: [taskId] }),
        ]);
        const success = countTaken(reported) === 1;
        expect(countTaken(reported) + countTaken(canceled.results)).toBe(1);
        const loser = (success ? canceled.results : reported)[0]?.result;
        expect(loser?.case === "error" && loser.value.reason).toBe(ErrorReason.TASK_ENDED);
        expect(await statusOf(s.b, taskId)).toBe(success ? "SUCCESS" : "CANCELED");
        expect(await statusOf(s.a, graph.id(`child ${k}`))).toBe(success ? "PENDING" : "FAILURE");
      }),
    );
    await s.b.batches.stopBatch({ batchId: graph.batchId });
  });
  await s.finish();
});

test("the last two tasks of a batch end it, whichever comes last", async () => {
  await using s = await startTwoServers();
  await repeat(16, async () => {
    const graphs = await Promise.all(range(12).map(() => createGraph(s.a, [{ key: "x" }, { key: "y" }])));
    await claim(s.b, "work");
    await Promise.all(graphs.flatMap(({ id }) => [report(s.a, [id("x")]), report(s.b, [id("y")])]));
    for (const { batchId } of graphs) {
      const { batch } = await s.b.batches.getBatch({ batchId });
      expect([batch?.status, batch?.stats?.byStatus.SUCCESS]).toEqual([BatchStatus.SUCCESS, 2n]);
    }
  });
  await s.finish();
});

test("two parents that end differently at the same moment decide their child by the stricter of them", async () => {
  await using s = await startTwoServers();
  await repeat(16, async (n) => {
    const child = (key: string, unmetPolicy: UnmetPolicy, condition: DependencyCondition): TaskInit => ({
      ...{ key, kind: "next", unmetPolicy },
      dependencies: ["good", "bad"].map((value) => ({ condition, parent: { case: "key", value } })),
    });
    const tasks = [
      { key: n % 2 === 0 ? "good" : "bad" },
      { key: n % 2 === 0 ? "bad" : "good" },
      child("fails", UnmetPolicy.UNSPECIFIED, DependencyCondition.SUCCESS),
      child("skipped", UnmetPolicy.SKIP, DependencyCondition.SUCCESS),
      child("starts", UnmetPolicy.FAIL, DependencyCondition.COMPLETED),
      child("not needed", UnmetPolicy.UNSPECIFIED, DependencyCondition.FAILURE),
      child("impossible", UnmetPolicy.FAIL, DependencyCondition.FAILURE),
      { key: "below", kind: "next", dependencies: after("skipped", "starts") },
    ];
    const graphs = await Promise.all(range(10).map(() => createGraph(s.a, tasks)));
    await claim(s.a, "work");
    await Promise.all(graphs.flatMap(({ id }) => [report(s.a, [id("good")]), report(s.b, [id("bad")], "failure")]));
    for (const { batchId } of graphs) {
      const { tasks: left } = await s.b.tasks.listTasks({ batchId });
      expect(Object.fromEntries(left.map(({ key, status }) => [key, TaskStatus[status]]))).toEqual({
        ...{ good: "SUCCESS", bad: "FAILURE", fails: "FAILURE", skipped: "SKIPPED", starts: "PENDING" },
        ...{ "not needed": "SKIPPED", impossible: "FAILURE", below: "WAITING" },
      });
    }
  });
  await s.finish();
});

test("the same hundred reports sent by four clients at once count once each, with their counts", async () => {
  await using s = await startTwoServers();
  const random = createRandom(1);
  await repeat(12, async () => {
    const { batchId } = await createGraph(
      s.a,
      range(100).map((n) => ({ key: `task ${n}` })),
    );
    const taskIds = await claim(s.a, "work");
    const answers = await Promise.all(
      [s.a, s.b, s.a, s.b].map(async (client) => {
        const reports = random
          .shuffle(taskIds)
          .map((taskId) => ({ taskId, addSuccessCount: 3n, report: { case: "success" as const, value: {} } }));
        return (await client.tasks.reportTasks({ reports })).results;
      }),
    );
    expect(answers.reduce((sum, results) => sum + countTaken(results), 0)).toBe(100);
    const { batch } = await s.b.batches.getBatch({ batchId });
    expect([batch?.status, batch?.stats?.byStatus.SUCCESS, batch?.stats?.successCount]).toEqual([
      BatchStatus.SUCCESS,
      100n,
      300n,
    ]);
  });
  await s.finish();
});

test("two dozen reports at once over shared children, joins and cascades of several levels never fail or lock each other out", async () => {
  await using s = await startTwoServers();
  const random = createRandom(2);
  await repeat(24, async () => {
    const parents = range(24).map((n) => `parent ${n}`);
    const some = (keys: readonly string[], count: number) => random.shuffle(keys).slice(0, count);
    const condition = (): DependencyCondition =>
      random.chance(0.3) ? DependencyCondition.COMPLETED : DependencyCondition.SUCCESS;
    const edges = (keys: readonly string[]): TaskInit["dependencies"] =>
      keys.map((value) => ({ condition: condition(), parent: { case: "key", value } }));
    // In any order of listing, so that the ids of the levels lie between each other.
    const graph = random.shuffle<TaskInit>([
      ...parents.map((key) => ({ key })),
      ...range(10).map((n) => ({ key: `shared ${n}`, kind: "next", dependencies: edges(some(parents, 20)) })),
      ...range(10).map((n) => ({
        ...{ key: `join ${n}`, execution: { case: "join" as const, value: {} } },
        dependencies: edges(some(parents, 3)),
      })),
      ...range(10).map((n) => ({
        ...{ key: `below ${n}`, kind: "next" },
        dependencies: edges([
          ...some(
            range(10).map((k) => `join ${k}`),
            3,
          ),
          ...some(parents, 4),
        ]),
      })),
    ]);
    await createGraph(s.a, graph);
    const taskIds = random.shuffle(await claim(s.a, "work"));
    const groups = random.chance(0.5) ? range(24).map((n) => [n]) : range(8).map((n) => [n, n + 8, n + 16]);
    const results = await Promise.all(
      groups.map((group, n) =>
        report(
          n % 2 === 0 ? s.a : s.b,
          group.map((place) => taskIds[place] as string),
          random.chance(0.1) ? "failure" : "success",
        ),
      ),
    );
    expect(results.reduce((sum, each) => sum + countTaken(each), 0)).toBe(24);
  });
  await s.finish();
});

test("a stop takes tasks from under the workers that claim them: all of them are canceled, none is left over", async () => {
  await using s = await startTwoServers();
  await repeat(30, async () => {
    const { batchId } = await createGraph(
      s.a,
      range(40).map((n) => ({ key: `task ${n}` })),
    );
    const claims = range(6).map((n) => claim(n % 2 === 0 ? s.a : s.b, "work", 4));
    const [stopped, ...claimed] = await Promise.all([s.b.batches.stopBatch({ batchId }), ...claims]);
    expect([stopped.batch?.status, stopped.batch?.stats?.byStatus.CANCELED]).toEqual([BatchStatus.CANCELED, 40n]);
    expect(new Set(claimed.flat()).size).toBe(claimed.flat().length);
    const late = claimed.flat().length === 0 ? [] : await report(s.a, claimed.flat());
    for (const { result, cancelRequested } of late) expect([result.case, cancelRequested]).toEqual(["error", true]);
    expect(await claim(s.a, "work")).toEqual([]);
  });
  await s.finish();
});

test("tasks that are canceled while workers claim them are canceled once, also in cascades that meet", async () => {
  await using s = await startTwoServers();
  await repeat(30, async () => {
    const graph = await createGraph(s.a, [
      ...range(16).map((n) => ({ key: `${n}` })),
      ...range(8).map((n) => ({ key: `child ${n}`, kind: "next", dependencies: after(`${n}`, `${15 - n}`) })),
      { key: "last", kind: "next", dependencies: after(...range(8).map((n) => `child ${n}`)) },
    ]);
    const ids = range(16).map((n) => graph.id(`${n}`));
    const cancels = [s.a, s.b, s.a].map((client, n) =>
      client.tasks.cancelTasks({ taskIds: [...ids].slice(n * 4, n * 4 + 8).reverse() }),
    );
    const [claimed, , ...answers] = await Promise.all([claim(s.a, "work", 6), claim(s.b, "work", 6), ...cancels]);
    expect(answers.reduce((sum, { results }) => sum + countTaken(results), 0)).toBe(16);
    expect(new Set(claimed).size).toBe(claimed.length);
    expect(await statusOf(s.b, graph.id("last"))).toBe("FAILURE");
  });
  await s.finish();
});

test("a task that is created while its open batch is sealed and the last task ends is either in it or refused", async () => {
  await using s = await startTwoServers();
  await repeat(16, async () => {
    const graphs = await Promise.all(range(12).map(() => createGraph(s.a, [{ key: "first" }], { open: true })));
    await claim(s.a, "work");
    const created = await Promise.all(
      graphs.map(async ({ batchId, id }) => {
        const growth = s.b.tasks
          .createTasks({
            target: { case: "batchId", value: batchId },
            tasks: [{ key: "second", name: "second", kind: "work" }],
          })
          .then(
            ({ tasks }) => tasks[0]?.taskId,
            (error: unknown) => {
              expect(errorReason(error)).toBe(ErrorReason.BATCH_SEALED);
              return undefined;
            },
          );
        const [second] = await Promise.all([growth, s.a.batches.sealBatch({ batchId }), report(s.b, [id("first")])]);
        const { batch } = await s.b.batches.getBatch({ batchId });
        expect([batch?.open, batch?.status, batch?.stats?.total]).toEqual(
          second === undefined ? [false, BatchStatus.SUCCESS, 1n] : [false, BatchStatus.ACTIVE, 2n],
        );
        return second ?? [];
      }),
    );
    expect((await claim(s.a, "work")).sort()).toEqual(created.flat().sort());
    if (created.flat().length > 0) await report(s.a, created.flat());
  });
  await s.finish();
});

test("a task that is hung on parents while they end, by one call or several, never waits for ever", async () => {
  await using s = await startTwoServers();
  const random = createRandom(3);
  await repeat(40, async (n) => {
    const graph = await createGraph(
      s.a,
      [{ key: "p" }, { key: "between", kind: "next", dependencies: after("p") }, { key: "q" }],
      { open: true },
    );
    const running = await claim(s.a, "work");
    const grow = (parents: readonly string[]): Promise<string> =>
      s.b.tasks
        .createTasks({
          target: { case: "batchId", value: graph.batchId },
          tasks: [
            {
              ...{ name: "late", kind: "late" },
              dependencies: parents.map((key) => ({ parent: { case: "taskId", value: graph.id(key) } })),
            },
          ],
        })
        .then(({ tasks }) => tasks[0]?.taskId as string);
    const reports = n % 2 === 0 ? [running] : running.map((taskId) => [taskId]);
    const [early, both, deep] = await Promise.all([
      grow(["p"]),
      grow(random.shuffle(["p", "q"])),
      grow(random.shuffle(["q", "between"])),
      ...reports.map((taskIds) => report(s.a, taskIds)),
    ]);
    expect(await statusOf(s.a, early as string)).toBe("PENDING");
    expect(await statusOf(s.a, both as string)).toBe("PENDING");
    expect(await statusOf(s.a, deep as string)).toBe("WAITING");
    await report(s.b, await claim(s.b, "next"));
    expect((await claim(s.a, "late")).sort()).toEqual([early, both, deep].sort());
  });
  await s.finish();
});

test("many workers on two servers get every task once, while tasks go on becoming ready", async () => {
  await using s = await startTwoServers();
  const { batchId } = await createGraph(
    s.a,
    range(400).map((n) => ({ key: `${n}`, dependencies: n < 100 ? [] : after(`${n - 100}`) })),
  );
  const claimed: string[] = [];
  await Promise.all(
    range(16).map(async (n) => {
      const client = n % 2 === 0 ? s.a : s.b;
      while (claimed.length < 400) {
        const { assignments } = await client.workers.claimTasks({
          ...{ workerId: `worker ${n}`, kinds: ["work"], maxTasks: 1 + (n % 3), waitTimeout: { seconds: 1n } },
        });
        const ids = assignments.map(({ task }) => task?.taskId as string);
        claimed.push(...ids);
        if (ids.length > 0) expect(countTaken(await report(client, ids))).toBe(ids.length);
      }
    }),
  );
  expect([claimed.length, new Set(claimed).size]).toEqual([400, 400]);
  expect((await s.a.batches.getBatch({ batchId })).batch?.status).toBe(BatchStatus.SUCCESS);
  await s.finish();
});

test("a claim that does not wait finds what there is, however many others look at the same moment and whichever server made it", async () => {
  await using s = await startTwoServers();
  await repeat(12, async (n) => {
    const kinds = range(24).map((k) => `kind ${n} ${k}`);
    const graph = await createGraph(
      s.a,
      kinds.map((kind) => ({ key: kind, kind })),
    );
    const claimed = await Promise.all(kinds.map((kind, k) => claim(k % 2 === 0 ? s.a : s.b, kind)));
    expect(claimed).toEqual(kinds.map((kind) => [graph.id(kind)]));
  });
  await s.finish();
});

test("sixteen creates with the same request_id at once create one graph and get one answer", async () => {
  await using s = await startTwoServers();
  await repeat(12, async (n) => {
    const tasks = [
      { key: "a", name: "a", kind: `kind ${n}` },
      { key: "b", name: "b", kind: `kind ${n}`, dependencies: after("a") },
    ];
    const answers = await Promise.all(
      range(16).map((k) => (k % 2 === 0 ? s.a : s.b).tasks.createTasks({ requestId: `request ${n}`, tasks })),
    );
    expect(new Set(answers.map((answer) => answer.tasks.map((task) => task.taskId).join())).size).toBe(1);
    expect(new Set(answers.map((answer) => answer.batch?.batchId)).size).toBe(1);
    expect((await s.b.tasks.listTasks({ kinds: [`kind ${n}`] })).tasks.length).toBe(2);
  });
  await s.finish();
});

test("a lease that runs out gives its task back once, though the timers of two servers look at it", async () => {
  await using s = await startTwoServers();
  await createGraph(
    s.a,
    range(60).map((n) => ({ key: `${n}` })),
  );
  const lost: string[] = [];
  while (lost.length < 60) {
    const { assignments } = await s.a.workers.claimTasks({
      ...{ workerId: "lost", kinds: ["work"], maxTasks: 4, lease: { seconds: 1n } },
    });
    lost.push(...assignments.map(({ task }) => task?.taskId as string));
  }
  const second: string[] = [];
  await Promise.all(
    [s.a, s.b].map(async (client) => {
      while (second.length < 60) {
        const { assignments } = await client.workers.claimTasks({
          ...{ workerId: "next", kinds: ["work"], maxTasks: 4, waitTimeout: { seconds: 1n } },
        });
        for (const { task, attempt } of assignments) {
          expect(attempt).toBe(2);
          second.push(task?.taskId as string);
        }
      }
    }),
  );
  expect([...second].sort()).toEqual([...lost].sort());
  const late = await s.b.tasks.reportTasks({
    reports: lost.map((taskId) => ({ taskId, attempt: 1, report: { case: "success", value: {} } })),
  });
  for (const { result } of late.results)
    expect(result.case === "error" && result.value.reason).toBe(ErrorReason.STALE_ATTEMPT);
  const { events } = await s.a.events.listEvents({ filter: { statuses: [TaskStatus.PENDING] }, pageSize: 1000 });
  expect(events.filter((event) => event.payload.case === "taskStatusChanged").length).toBe(60);
  for (const taskId of lost) expect((await getTask(s.b, taskId)).status).toBe(TaskStatus.RUNNING);
  await s.finish();
});
