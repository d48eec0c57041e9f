import type { MessageInitShape } from "@bufbuild/protobuf";
import { BatchStatus, DependencyCondition, ErrorReason, type NewBatchSchema, type NewTaskSchema } from "@millpond/sdk";
import { expect, test } from "vitest";
import { atOnce, playRounds, type Race, startRace, statusesOf, take, unlessRefused } from "./race.ts";
import { after, type CreatedGraph, createdGraph, range, report, type TaskInit } from "./two-servers.ts";

const { BATCH_SEALED } = ErrorReason;
const cells = range(12);

/** Creates a graph in a batch whose end one webhook is to be told of. */
async function createTold(
  s: Race,
  tasks: readonly TaskInit[],
  batch: MessageInitShape<typeof NewBatchSchema> = {},
): Promise<CreatedGraph> {
  const response = await s.a.tasks.createTasks({
    target: { case: "newBatch", value: { onComplete: [{ url: "http://127.0.0.1:9/" }], ...batch } },
    tasks: tasks.map((task) => ({ name: task.key, kind: "work", ...task })),
  });
  return createdGraph(response);
}

/** Dependencies on tasks of the same batch that any end of them meets. */
function ended(...keys: readonly string[]): NonNullable<TaskInit["dependencies"]> {
  return keys.map((value) => ({ condition: DependencyCondition.COMPLETED, parent: { case: "key", value } }));
}

/** How often the end of a batch is to be told, and its status. */
async function endOf(s: Race, batchId: string): Promise<[number, string]> {
  const { batch } = await s.b.batches.getBatch({ batchId });
  const { deliveries } = await s.a.deliveries.listDeliveries({ batchId });
  return [deliveries.filter(({ taskId }) => taskId === "").length, BatchStatus[batch?.status ?? 0] ?? ""];
}

function grow(s: Race, batchId: string, task: MessageInitShape<typeof NewTaskSchema>): Promise<string | undefined> {
  const creating = s.b.tasks.createTasks({ target: { case: "batchId", value: batchId }, tasks: [task] });
  return unlessRefused(creating, BATCH_SEALED).then((created) => created?.tasks[0]?.taskId);
}

test("the end of a batch is told once, whichever of its last two tasks ends last, and however they end", async () => {
  await using s = await startRace();
  await playRounds(async () => {
    const graphs = await Promise.all(range(6).map(() => createTold(s, [{ key: "x" }, { key: "y" }])));
    await take(s.b, ["work"]);
    await atOnce<unknown>(
      graphs.flatMap((graph, k) => [
        () => report(s.client(k), [graph.id("x")]),
        () =>
          k % 3 === 0
            ? report(s.client(k + 1), [graph.id("y")])
            : k % 3 === 1
              ? report(s.client(k + 1), [graph.id("y")], "failure")
              : s.client(k + 1).tasks.cancelTasks({ taskIds: [graph.id("y")] }),
      ]),
    );
    const ends = await Promise.all(graphs.map(({ batchId }) => endOf(s, batchId)));
    expect(ends).toEqual(range(6).map((k) => [1, ["SUCCESS", "FAILURE", "CANCELED"][k % 3]]));
  });
  await s.finish();
});

test("the end of a batch that is sealed, stopped, canceled and reported at the same moment is told once", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const graphs = await Promise.all(range(6).map((k) => createTold(s, k < 2 ? [] : [{ key: "x" }], { open: true })));
    await take(s.b, ["work"]);
    await atOnce<unknown>(
      graphs.flatMap(({ batchId, id }, k) => [
        () => s.client(k).batches.sealBatch({ batchId }),
        () => s.client(k + 1).batches.sealBatch({ batchId }),
        () => (k === 1 || k > 3 ? s.client(n).batches.stopBatch({ batchId }) : Promise.resolve()),
        () => (k > 1 ? report(s.client(k + 1), [id("x")], k % 2 === 0 ? "success" : "failure") : Promise.resolve()),
        () => (k === 3 ? s.client(n).tasks.cancelTasks({ taskIds: [id("x")] }) : Promise.resolve()),
      ]),
    );
    const ends = await Promise.all(graphs.map(({ batchId }) => endOf(s, batchId)));
    for (const [k, [told, status]] of ends.entries()) {
      expect(told).toBe(1);
      const possible = [["SUCCESS"], ["SUCCESS", "CANCELED"], ["SUCCESS"], ["FAILURE", "CANCELED"]][k];
      expect(possible ?? ["SUCCESS", "FAILURE", "CANCELED"], `${k}`).toContain(status);
    }
  });
  await s.finish();
});

test("the end of a batch whose last tasks are brought down by cascades that meet is told once, and again after it ran again", async () => {
  await using s = await startRace();
  await playRounds(async () => {
    const graph = await createTold(s, [
      ...cells.map((k) => ({ key: `p${k}` })),
      ...cells.map((k) => ({ key: `c${k}`, dependencies: after(`p${k}`, `p${(k + 5) % 12}`) })),
      { key: "last", dependencies: after(...cells.map((k) => `c${k}`)) },
    ]);
    const parents = cells.map((k) => graph.id(`p${k}`));
    await take(s.b, ["work"]);
    await atOnce(parents.map((taskId, k) => () => report(s.client(k), [taskId], "failure")));
    expect(await endOf(s, graph.batchId)).toEqual([1, "FAILURE"]);
    const retried = await atOnce(range(3).map((k) => () => s.client(k).batches.retryBatch({ batchId: graph.batchId })));
    expect(retried.map((answer) => Number(answer.retriedCount)).sort((x, y) => x - y)).toEqual([0, 0, 25]);
    expect((await take(s.a, ["work"])).sort()).toEqual(parents.sort());
    await atOnce(parents.map((taskId, k) => () => report(s.client(k), [taskId])));
    const next = await take(s.b, ["work"]);
    await atOnce(next.map((taskId, k) => () => report(s.client(k), [taskId])));
    const last = await take(s.b, ["work"]);
    await report(s.a, last);
    expect(await endOf(s, graph.batchId)).toEqual([2, "SUCCESS"]);
  });
  await s.finish();
});

test("a critical task that fails stops its batch, whatever else is reported, claimed, created or stopped meanwhile; its end is told once", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const graph = await createTold(
      s,
      [
        { key: "critical", critical: true },
        { key: "also critical", critical: true },
        ...cells.map((k) => ({ key: `${k}`, kind: k < 6 ? "work" : "waits" })),
        { key: "below", dependencies: after("critical") },
        { key: "rest", dependencies: after("0", "1") },
      ],
      { open: n % 2 === 0 },
    );
    const { batchId } = graph;
    await take(s.a, ["work"]);
    const answers = await atOnce<unknown>([
      () => report(s.a, [graph.id("critical")], "failure"),
      () => report(s.b, [graph.id("also critical")], n % 3 === 0 ? "failure" : "success"),
      ...range(4).map((k) => () => report(s.client(k), [graph.id(`${k}`)], k === 3 ? "failure" : "success")),
      ...range(3).map((k) => () => take(s.client(k), ["work", "waits"], 2)),
      () =>
        n % 2 === 0 ? grow(s, batchId, { name: "new", kind: "waits", dependencies: after("2") }) : Promise.resolve(),
      () => (n % 4 === 1 ? s.b.batches.stopBatch({ batchId }) : Promise.resolve()),
    ]);
    expect(answers.length).toBe(11);
    expect(await endOf(s, batchId)).toEqual([1, "CANCELED"]);
    const { batch } = await s.a.batches.getBatch({ batchId });
    expect(batch?.stopReason).toMatch(n % 4 === 1 ? /./ : /^critical task "(also )?critical" failed$/);
    const living = ["WAITING", "PENDING", "RUNNING", "PAUSED"].filter((name) => batch?.stats?.byStatus[name]);
    expect([living, batch?.open]).toEqual([[], false]);
    expect(await s.query("select from follow_up")).toEqual([]);
  });
  await s.finish();
});

test("what is only there for its dependents is canceled when the last of them have ended at the same moment, and so upward", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const graph = await createTold(
      s,
      cells.flatMap((k) => [
        { key: `far${k}`, kind: "service", onlyForDependents: true },
        { key: `near${k}`, onlyForDependents: true, dependencies: ended(`far${k}`) },
        { key: `x${k}` },
        { key: `y${k}` },
        { key: `first${k}`, dependencies: [...ended(`near${k}`), ...after(`x${k}`)] },
        { key: `second${k}`, dependencies: [...ended(`near${k}`), ...after(`y${k}`)] },
      ]),
    );
    await take(s.a, ["work", "service"]);
    // Both dependents of near are brought down, or canceled.
    await atOnce<unknown>(
      cells.flatMap((k) => [
        () => report(s.client(k), [graph.id(`x${k}`)], "failure"),
        () =>
          k % 2 === 0
            ? report(s.client(k + 1), [graph.id(`y${k}`)], "failure")
            : s.client(k + n).tasks.cancelTasks({ taskIds: [graph.id(`second${k}`)] }),
      ]),
    );
    const services = cells.flatMap((k) => [graph.id(`far${k}`), graph.id(`near${k}`)]);
    expect(await statusesOf(s.a, services)).toEqual(services.map(() => "CANCELED"));
    expect(await s.query("select from follow_up")).toEqual([]);
    await s.a.batches.stopBatch({ batchId: graph.batchId });
    expect((await endOf(s, graph.batchId))[0]).toBe(1);
  });
  await s.finish();
});

test("a dependent that is created while the last one ends keeps what it depends on, or finds it canceled", async () => {
  await using s = await startRace();
  await playRounds(async () => {
    const graph = await createTold(
      s,
      cells.flatMap((k) => [
        { key: `service${k}`, kind: "service", onlyForDependents: true },
        { key: `x${k}`, kind: "user", dependencies: ended(`service${k}`) },
      ]),
      { open: true },
    );
    await take(s.a, ["service"]);
    const late: (string | undefined)[] = [];
    await atOnce<unknown>(
      cells.flatMap((k) => [
        () => s.client(k).tasks.cancelTasks({ taskIds: [graph.id(`x${k}`)] }),
        async () => {
          const dependencies = k % 2 === 0 ? ended(`service${k}`) : after(`service${k}`);
          late[k] = await grow(s, graph.batchId, { name: "late", kind: "late", dependencies });
        },
      ]),
    );
    const services = await statusesOf(
      s.a,
      cells.map((k) => graph.id(`service${k}`)),
    );
    const dependents = await statusesOf(s.b, late as string[]);
    for (const [k, service] of services.entries()) {
      const decided = k % 2 === 0 ? "PENDING" : "FAILURE";
      expect([service, dependents[k]]).toEqual(service === "RUNNING" ? ["RUNNING", "WAITING"] : ["CANCELED", decided]);
    }
    const kept = cells.filter((k) => services[k] === "RUNNING");
    await atOnce(kept.map((k) => () => s.client(k).tasks.cancelTasks({ taskIds: [late[k] as string] })));
    expect(
      await statusesOf(
        s.a,
        kept.map((k) => graph.id(`service${k}`)),
      ),
    ).toEqual(kept.map(() => "CANCELED"));
    await s.b.batches.stopBatch({ batchId: graph.batchId });
    expect(await endOf(s, graph.batchId)).toEqual([1, "CANCELED"]);
  });
  await s.finish();
});
