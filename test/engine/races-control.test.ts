import { BatchStatus, ErrorReason } from "@millpond/sdk";
import { expect, test } from "vitest";
import { atOnce, namesOf, playRounds, startRace, statusesOf, take, unlessRefused } from "./race.ts";
import { after, createGraph, range, report, type TaskInit } from "./two-servers.ts";

const { ILLEGAL_TRANSITION, BATCH_SEALED } = ErrorReason;

function tasks(count: number): TaskInit[] {
  return range(count).map((n) => ({ key: `${n}` }));
}

test("once PauseBatch is answered nothing of the batch starts until ResumeBatch, then everything does, once", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(s.a, tasks(30), { kind });
    const claims = range(6).map((k) => () => take(s.client(k), [kind], 3));
    const pause = async (): Promise<string[]> => {
      await s.client(n).batches.pauseBatch({ batchId: graph.batchId });
      return [];
    };
    const early = (await atOnce([...claims, pause])).flat();
    expect((await Promise.all(range(4).map((k) => take(s.client(k), [kind])))).flat()).toEqual([]);
    const { batch } = await s.b.batches.getBatch({ batchId: graph.batchId });
    expect([batch?.status, batch?.stats?.byStatus.RUNNING ?? 0n]).toEqual([BatchStatus.PAUSED, BigInt(early.length)]);
    const resume = async (): Promise<string[]> => {
      await s.client(n + 1).batches.resumeBatch({ batchId: graph.batchId });
      return [];
    };
    const late = (await atOnce([...claims, resume])).flat();
    const rest = await take(s.b, [kind]);
    expect([...early, ...late, ...rest].sort()).toEqual(Object.values(graph.ids).sort());
    await report(s.a, Object.values(graph.ids));
  });
  await s.finish();
});

test("many workers that ask at once start nothing of a held batch, however many of its tasks may start", async () => {
  await using s = await startRace();
  await playRounds(async () => {
    const { batchId } = await createGraph(s.a, tasks(1_100));
    const other = await createGraph(s.b, tasks(5));
    await s.b.batches.pauseBatch({ batchId });
    const claimed = await atOnce(range(8).map((n) => () => take(s.client(n), ["work"], 10)));
    const rest = await take(s.a, ["work"]);
    expect([...claimed.flat(), ...rest].sort()).toEqual(Object.values(other.ids).sort());
    await report(s.a, Object.values(other.ids));
    await s.a.batches.stopBatch({ batchId });
  });
  await s.finish();
});

test("what is created, becomes ready, is let go, retried or moved in a held batch does not start, though workers ask meanwhile", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n}`;
    const [parents, held, done, moved] = [range(6), range(6), range(6), range(6)].map((list, k) =>
      list.map((m) => `${"phdm"[k]}${m}`),
    ) as [string[], string[], string[], string[]];
    const graph = await createGraph(
      s.a,
      [
        ...[...parents, ...done].map((key) => ({ key, kind: `first ${n}` })),
        ...[...held, ...moved].map((key) => ({ key, kind })),
        ...parents.map((key) => ({ key: `c${key}`, kind, dependencies: after(key) })),
        ...done.map((key) => ({ key: `c${key}`, kind, dependencies: after(key) })),
      ],
      { open: true },
    );
    const ids = (keys: readonly string[]): string[] => keys.map(graph.id);
    await take(s.a, [`first ${n}`]);
    await report(s.a, ids(done), "failure");
    await s.a.tasks.pauseTasks({ taskIds: ids(held) });
    await s.b.batches.pauseBatch({ batchId: graph.batchId });
    const changes = range(6).flatMap((k): (() => Promise<unknown>)[] => [
      () => report(s.client(k), ids([`p${k}`])),
      () => s.client(k + 1).tasks.resumeTasks({ taskIds: ids([`h${k}`]) }),
      () => s.client(k).tasks.retryTasks({ taskIds: ids([`d${k}`]), withDependents: true }),
      () =>
        s.client(k + 1).tasks.updateTask({
          ...{ task: { taskId: graph.id(`m${k}`), priority: k + 1 }, updateMask: { paths: ["priority"] } },
        }),
      () =>
        s.client(k).tasks.createTasks({
          ...{ target: { case: "batchId", value: graph.batchId }, tasks: [{ name: "new", kind, priority: k }] },
        }),
    ]);
    const claims = range(18).map((k) => () => take(s.client(k), [kind, `first ${n}`], 5));
    const answers = await atOnce([...changes, ...claims]);
    expect(answers.slice(changes.length).flat()).toEqual([]);
    expect(await take(s.a, [kind, `first ${n}`])).toEqual([]);
    await s.a.batches.resumeBatch({ batchId: graph.batchId });
    expect((await take(s.b, [kind])).length).toBe(24);
  });
  await s.finish();
});

test("of holds and releases of a batch at once the last one counts", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(s.a, tasks(4), { kind });
    const { batchId } = graph;
    const answers = await atOnce([
      ...range(2).map((k) => async () => (await s.client(k).batches.pauseBatch({ batchId })).batch?.status),
      ...range(2).map((k) => async () => (await s.client(k).batches.resumeBatch({ batchId })).batch?.status),
    ]);
    expect(answers).toEqual([BatchStatus.PAUSED, BatchStatus.PAUSED, BatchStatus.ACTIVE, BatchStatus.ACTIVE]);
    const { batch } = await s.a.batches.getBatch({ batchId });
    const claimed = await take(s.b, [kind]);
    expect(claimed.length).toBe(batch?.status === BatchStatus.PAUSED ? 0 : 4);
    await s.b.batches.resumeBatch({ batchId });
    expect([...claimed, ...(await take(s.a, [kind]))].sort()).toEqual(Object.values(graph.ids).sort());
    await report(s.b, Object.values(graph.ids));
  });
  await s.finish();
});

test("a batch that is held, let go, stopped and ended at the same moment ends once, and leaves nothing held", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const { batchId } = await createGraph(s.a, tasks(3), { kind });
    const running = await take(s.a, [kind], n % 2 === 0 ? 3 : 2);
    const allowed = (answer: Promise<unknown>): Promise<unknown> => unlessRefused(answer, ILLEGAL_TRANSITION);
    await atOnce<unknown>([
      () => allowed(s.a.batches.pauseBatch({ batchId })),
      () => allowed(s.b.batches.resumeBatch({ batchId })),
      () => allowed(s.b.batches.pauseBatch({ batchId })),
      () => report(s.b, running),
      () => (n % 2 === 0 ? Promise.resolve() : s.a.batches.stopBatch({ batchId })),
      () => take(s.b, [kind]),
    ]);
    const { batch } = await s.a.batches.getBatch({ batchId });
    expect(batch?.status).toBe(n % 2 === 0 ? BatchStatus.SUCCESS : BatchStatus.CANCELED);
    expect(await s.query("select from paused_batch union all select from parked")).toEqual([]);
  });
  await s.finish();
});

test("a task that is claimed and held at the same moment is one or the other", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(s.a, tasks(24), { kind });
    const taskIds = Object.values(graph.ids);
    const claimed: string[] = [];
    const named: string[] = [];
    await atOnce<void>([
      ...range(6).map((k) => async () => void claimed.push(...(await take(s.client(k), [kind], 2 + (k % 2))))),
      ...range(4).map((k) => async () => {
        const part = taskIds.slice(k * 6, k * 6 + 6);
        for (const [m, name] of namesOf((await s.client(k).tasks.pauseTasks({ taskIds: part })).results).entries())
          named[taskIds.indexOf(part[m] as string)] = name;
      }),
    ]);
    expect(named).toEqual(taskIds.map((id) => (claimed.includes(id) ? "ILLEGAL_TRANSITION" : "PAUSED")));
    expect(await take(s.b, [kind])).toEqual([]);
    const held = taskIds.filter((id) => !claimed.includes(id));
    await atOnce<void>([
      ...range(4).map((k) => async () => void claimed.push(...(await take(s.client(k), [kind], 5)))),
      async () => void (held.length > 0 && (await s.a.tasks.resumeTasks({ taskIds: held }))),
    ]);
    claimed.push(...(await take(s.a, [kind])));
    expect(claimed.sort()).toEqual(taskIds.sort());
    await report(s.a, taskIds);
  });
  await s.finish();
});

test("tasks that are held and let go again and again while workers ask are started once each", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(s.a, tasks(16), { kind });
    const taskIds = Object.values(graph.ids);
    const claimed: string[] = [];
    const flip = (client: typeof s.a) => async () => {
      await client.tasks.pauseTasks({ taskIds });
      await client.tasks.resumeTasks({ taskIds });
    };
    const claims = range(8).map((k) => async () => void claimed.push(...(await take(s.client(k), [kind], 3))));
    await atOnce([flip(s.a), flip(s.b), flip(s.a), ...claims]);
    await s.b.tasks.resumeTasks({ taskIds });
    claimed.push(...(await take(s.a, [kind])));
    expect(claimed.sort()).toEqual(taskIds.sort());
    await report(s.a, taskIds);
  });
  await s.finish();
});

test("a held task that is let go while its last parent ends starts once, is done, or is brought down", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const cells = range(24);
    const graph = await createGraph(s.a, [
      ...cells.map((k) => ({ key: `p${k}`, kind: "parent" })),
      ...cells.map((k) => ({
        ...{ key: `c${k}`, kind: `child ${n}`, dependencies: after(`p${k}`) },
        ...(k % 3 === 1 ? { execution: { case: "join" as const, value: {} } } : {}),
      })),
    ]);
    const children = cells.map((k) => graph.id(`c${k}`));
    await take(s.a, ["parent"]);
    await s.a.tasks.pauseTasks({ taskIds: children });
    await atOnce<unknown>(
      cells.flatMap((k) => [
        () => report(s.client(k), [graph.id(`p${k}`)], k % 3 === 2 ? "failure" : "success"),
        async () => {
          const { results } = await s.client(k + 1).tasks.resumeTasks({ taskIds: [children[k] as string] });
          const [name] = namesOf(results);
          if (k % 3 < 2) expect(name).not.toBe("TASK_ENDED");
        },
      ]),
    );
    const expected = cells.map((k) => ["PENDING", "SUCCESS", "FAILURE"][k % 3]);
    expect(await statusesOf(s.b, children)).toEqual(expected);
    expect((await take(s.b, [`child ${n}`])).sort()).toEqual(children.filter((_, k) => k % 3 === 0).sort());
  });
  await s.finish();
});

test("a worker that asks for several kinds leaves no trace of tasks that are canceled or held meanwhile", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kinds = range(6).map((k) => `kind ${n % 3} ${k}`);
    const graph = await createGraph(
      s.a,
      kinds.flatMap((kind) => range(6).map((k) => ({ key: `${kind} ${k}`, kind }))),
      { open: true },
    );
    const taskIds = Object.values(graph.ids);
    const claims = range(8).map((k) => () => take(s.client(k), kinds, 2));
    const changes = range(12).map((k) => async (): Promise<string[]> => {
      const part = { taskIds: taskIds.slice(k * 3, k * 3 + 3) };
      await (k % 2 === 0 ? s.client(k).tasks.cancelTasks(part) : s.client(k).tasks.pauseTasks(part));
      return [];
    });
    const claimed = (await atOnce([...claims, ...changes])).flat();
    expect(new Set(claimed).size).toBe(claimed.length);
    const left = await s.query(
      "select r.id, h.status from ready r join task_state h on h.id = r.id where h.status <> 2 or h.priority <> -r.rank",
    );
    expect(left).toEqual([]);
    await s.a.batches.stopBatch({ batchId: graph.batchId });
    await unlessRefused(
      s.b.tasks.createTasks({
        target: { case: "batchId", value: graph.batchId },
        tasks: [{ name: "late", kind: "late" }],
      }),
      BATCH_SEALED,
    );
  });
  await s.finish();
});

test("tasks of a held batch that are held, canceled and moved while the batch is let go and workers ask are where they belong", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(s.a, tasks(40), { kind });
    const { batchId } = graph;
    const taskIds = range(40).map((k) => graph.id(`${k}`));
    await s.a.batches.pauseBatch({ batchId });
    expect(await take(s.b, [kind])).toEqual([]);
    const canceled = taskIds.slice(0, 12).reverse();
    const held = taskIds.slice(8, 24).reverse();
    const claimed: string[] = [];
    await atOnce<unknown>([
      () => s.client(n).batches.resumeBatch({ batchId }),
      () => s.client(n + 1).tasks.cancelTasks({ taskIds: canceled }),
      () => s.client(n).tasks.pauseTasks({ taskIds: held }),
      ...range(6).map((k) => async () => {
        const task = { taskId: taskIds[39 - k] as string, priority: k + 1 };
        await unlessRefused(
          s.client(k).tasks.updateTask({ task, updateMask: { paths: ["priority"] } }),
          ILLEGAL_TRANSITION,
        );
      }),
      ...range(3).map((k) => async () => void claimed.push(...(await take(s.client(k), [kind], 3)))),
    ]);
    const statuses = await statusesOf(s.a, taskIds);
    for (const [k, status] of statuses.entries()) {
      const isClaimed = claimed.includes(taskIds[k] as string);
      const otherwise = k < 12 ? "CANCELED" : k < 24 ? "PAUSED" : "PENDING";
      expect(isClaimed ? ["RUNNING", "CANCELED"] : [otherwise], `${k}`).toContain(status);
    }
    expect(await s.query("select from parked")).toEqual([]);
    const rest = await take(s.b, [kind]);
    expect(rest.sort()).toEqual(taskIds.filter((_, k) => statuses[k] === "PENDING").sort());
    await s.a.batches.stopBatch({ batchId });
  });
  await s.finish();
});
