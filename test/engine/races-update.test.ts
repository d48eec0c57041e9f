import { ErrorReason, errorReason, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { atOnce, namesOf, playRounds, startRace, statusesOf, take, unlessRefused } from "./race.ts";
import { countTaken, createGraph, getTask, range, report } from "./two-servers.ts";

const { ETAG_MISMATCH, ILLEGAL_TRANSITION, TASK_ENDED } = ErrorReason;
const cells = range(20);
const priorityMask = { updateMask: { paths: ["priority"] } };

test("of updates with the same etag exactly one is taken", async () => {
  await using s = await startRace();
  await playRounds(async () => {
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `${k}` })),
    );
    const { tasks } = await s.a.tasks.listTasks({ batchId: graph.batchId, pageSize: 100 });
    const answers = await atOnce(
      tasks.flatMap(({ taskId, etag }) =>
        range(4).map((k) => async () => {
          const metadata = { winner: k };
          const task = k % 2 === 0 ? { taskId, etag, metadata } : { taskId, etag, metadata, priority: k };
          const updateMask = { paths: k % 2 === 0 ? ["metadata"] : ["metadata", "priority"] };
          const answer = await unlessRefused(s.client(k).tasks.updateTask({ task, updateMask }), ETAG_MISMATCH);
          return answer === undefined ? [] : [{ taskId, winner: k }];
        }),
      ),
    );
    const winners = answers.flat();
    expect(winners.map(({ taskId }) => taskId).sort()).toEqual(Object.values(graph.ids).sort());
    for (const task of (await s.b.tasks.listTasks({ batchId: graph.batchId, pageSize: 100 })).tasks) {
      expect(task.metadata).toEqual({ winner: winners.find(({ taskId }) => taskId === task.taskId)?.winner });
    }
    await s.a.batches.stopBatch({ batchId: graph.batchId });
  });
  await s.finish();
});

test("a task whose priority is changed while it is claimed and canceled is started or canceled once, and refused after", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 3}`;
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `${k}` })),
      { kind },
    );
    const taskIds = Object.values(graph.ids);
    const claimed: string[] = [];
    const canceled: string[] = [];
    const refused: string[] = [];
    await atOnce<unknown>([
      ...range(6).map((k) => async () => void claimed.push(...(await take(s.client(k), [kind], 2)))),
      ...range(4).map((k) => async () => {
        const part = taskIds.slice(k * 4, k * 4 + 4);
        const { results } = await s.client(k).tasks.cancelTasks({ taskIds: part });
        canceled.push(...part.filter((_, m) => namesOf(results)[m] === "CANCELED"));
      }),
      ...taskIds.map((taskId, k) => async () => {
        const update = s.client(k).tasks.updateTask({ task: { taskId, priority: (k % 7) + 1 }, ...priorityMask });
        if ((await unlessRefused(update, ILLEGAL_TRANSITION, TASK_ENDED)) === undefined) refused.push(taskId);
      }),
    ]);
    expect(canceled.sort()).toEqual(taskIds.slice(0, 16).sort());
    expect(new Set(claimed).size).toBe(claimed.length);
    for (const taskId of refused) expect([...claimed, ...canceled]).toContain(taskId);
    const { tasks } = await s.b.tasks.listTasks({ batchId: graph.batchId, pageSize: 100 });
    for (const { taskId, priority } of tasks) {
      expect(priority).toBe(refused.includes(taskId) ? 0 : (taskIds.indexOf(taskId) % 7) + 1);
    }
    const rest = await take(s.a, [kind]);
    expect([...rest, ...claimed.filter((id) => !canceled.includes(id))].sort()).toEqual(taskIds.slice(16).sort());
    await report(s.a, taskIds.slice(16));
    expect(
      await s.query("select r.rank, h.priority, h.status, h.attempt from ready r join task_state h on h.id = r.id"),
    ).toEqual([]);
  });
  await s.finish();
});

test("a priority that is changed while workers of several kinds look at the queues, or the batch is held and let go, is the one that counts", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kinds = range(4).map((k) => `kind ${n % 2} ${k}`);
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `${k}`, kind: kinds[k % 4] as string })),
    );
    const taskIds = cells.map((k) => graph.id(`${k}`));
    const { batchId } = graph;
    const changed = new Map<string, number>();
    if (n % 3 === 0) await s.a.batches.pauseBatch({ batchId });
    const claims = await atOnce<string[]>([
      ...range(6).map((k) => () => take(s.client(k), kinds, 1)),
      ...taskIds.map((taskId, k) => async () => {
        const update = s.client(k).tasks.updateTask({ task: { taskId, priority: k + 1 }, ...priorityMask });
        if ((await unlessRefused(update, ILLEGAL_TRANSITION)) !== undefined) changed.set(taskId, k + 1);
        return [];
      }),
      async () => {
        if (n % 3 === 1) await s.b.batches.pauseBatch({ batchId });
        if (n % 3 < 2) await s.b.batches.resumeBatch({ batchId });
        return [];
      },
    ]);
    const left = taskIds.filter((id) => !claims.flat().includes(id));
    for (const id of left) expect(changed.get(id)).toBe(taskIds.indexOf(id) + 1);
    const order: string[] = [];
    for (const _ of left) order.push(...(await take(s.a, kinds, 1)));
    expect(order).toEqual([...left].reverse());
    await report(s.b, taskIds);
  });
  await s.finish();
});

test("a task whose timeouts and counts are changed while it is reported keeps its end, and the batch its sums", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 3}`;
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `${k}`, expectedCount: 5n })),
      { kind },
    );
    const taskIds = await take(s.a, [kind]);
    const answers = await atOnce<boolean>([
      ...taskIds.map((taskId, k) => async () => {
        const reports = [{ taskId, addSuccessCount: 2n, report: { case: "success" as const, value: {} } }];
        return countTaken((await s.client(k).tasks.reportTasks({ reports })).results) === 1;
      }),
      ...taskIds.map((taskId, k) => async () => {
        const update = s.client(k + 1).tasks.updateTask({
          task: { taskId, expectedCount: 7n, executionTimeout: { seconds: 30n }, metadata: { n } },
          updateMask: { paths: ["expected_count", "execution_timeout", "metadata"] },
        });
        return (await unlessRefused(update, TASK_ENDED)) !== undefined;
      }),
    ]);
    expect(answers.slice(0, 20)).toEqual(cells.map(() => true));
    const { batch } = await s.a.batches.getBatch({ batchId: graph.batchId });
    const updated = answers.slice(20).filter((isTaken) => isTaken).length;
    expect([batch?.stats?.successCount, batch?.stats?.expectedCount]).toEqual([40n, BigInt(100 + 2 * updated)]);
    expect(await statusesOf(s.b, taskIds)).toEqual(cells.map(() => "SUCCESS"));
  });
  await s.finish();
});

test("of a success and a timeout of one attempt exactly one counts, also where the attempt is repeated", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n}`;
    const graph = await createGraph(
      s.a,
      range(60).map((k) => ({
        key: `${k}`,
        executionTimeout: { seconds: 0n, nanos: 400_000_000 },
        ...(k % 2 === 0 ? {} : { retry: { maxAttempts: 2, initialBackoff: { seconds: 60n } } }),
      })),
      { kind },
    );
    const taskIds = range(60).map((k) => graph.id(`${k}`));
    await take(s.a, [kind]);
    // One after the other, so that some come before the timers and some after.
    const answers: Record<string, string> = {};
    const { runTime } = await getTask(s.b, taskIds[0] as string);
    const due = Number(runTime?.seconds) * 1000 + Number(runTime?.nanos) / 1e6 + 400;
    await Promise.all(
      range(6).map(async (lane) => {
        for (const taskId of taskIds.slice(lane * 10, lane * 10 + 10)) {
          while (Date.now() < due - 20 + (taskIds.indexOf(taskId) % 10) * 12) await new Promise(setImmediate);
          const reports = [{ taskId, attempt: 1, report: { case: "success" as const, value: {} } }];
          answers[taskId] = namesOf((await s.client(lane).tasks.reportTasks({ reports })).results)[0] as string;
        }
      }),
    );
    for (const [k, taskId] of taskIds.entries()) {
      const { status, failure } = await getTask(s.a, taskId);
      if (answers[taskId] === "SUCCESS") expect(status).toBe(TaskStatus.SUCCESS);
      else {
        expect([answers[taskId], status]).toEqual(
          k % 2 === 0 ? ["TASK_ENDED", TaskStatus.FAILURE] : ["STALE_ATTEMPT", TaskStatus.PENDING],
        );
        expect(failure?.message).toContain("execution_timeout");
      }
    }
    await s.b.batches.stopBatch({ batchId: graph.batchId });
  });
  await s.finish();
});

test("an update that was made ready for a task that ends meanwhile is refused, and changes nothing", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 3}`;
    const graph = await createGraph(
      s.a,
      cells.map((k) => ({ key: `${k}`, totalTimeout: { seconds: 60n } })),
      { kind },
    );
    const taskIds = Object.values(graph.ids);
    const refused = await atOnce<string[]>([
      ...taskIds.map((taskId, k) => async () => {
        const task = { taskId, totalTimeout: { seconds: 90n }, priority: 3 };
        const updating = s.client(k).tasks.updateTask({ task, updateMask: { paths: ["total_timeout", "priority"] } });
        return updating.then(
          () => [],
          (error: unknown) => {
            expect(errorReason(error)).toBe(TASK_ENDED);
            return [taskId];
          },
        );
      }),
      async () => {
        await s.b.batches.stopBatch({ batchId: graph.batchId });
        return [];
      },
    ]);
    const { tasks } = await s.b.tasks.listTasks({ batchId: graph.batchId, pageSize: 100 });
    for (const task of tasks) {
      const isRefused = refused.flat().includes(task.taskId);
      expect([task.status, task.priority, task.totalTimeout?.seconds]).toEqual(
        isRefused ? [TaskStatus.CANCELED, 0, 60n] : [TaskStatus.CANCELED, 3, 90n],
      );
    }
    expect(
      await s.query("select r.rank, h.priority, h.status, h.attempt from ready r join task_state h on h.id = r.id"),
    ).toEqual([]);
  });
  await s.finish();
});
