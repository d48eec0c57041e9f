import { BatchStatus, DependencyCondition, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { fates, idsOf, maker, uniqueTask as task } from "./dedupe-tasks.ts";
import { dependsOn, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();
const make = maker(server);

const onTask = (taskId: string | undefined, condition = DependencyCondition.UNSPECIFIED) => ({
  ...{ parent: { case: "taskId" as const, value: taskId ?? "" }, condition },
});
const parentsOf = async (taskId: string | undefined) =>
  (await server.task(taskId ?? "")).dependencies.map(({ parent }) => parent.value);

describe("within one request", () => {
  test("an earlier task is found, never a later one; a chain of duplicates leads to its first", async () => {
    const kind = newKind();
    const [bare, unique] = [task(kind, { x: 1 }), task(kind, { x: 1 }, ["x"])];
    const answer = await make([task(kind, { x: 2 }, ["x"]), unique, unique, unique, bare, unique]);
    expect(fates(answer, idsOf(answer))).toEqual(["new", "new", 1, 1, "new", 1]);
    expect(answer.batch?.stats?.total).toBe(3n);
  });

  test("an earlier task is WAITING with dependencies, and PENDING without", async () => {
    const kind = newKind();
    const matching = (x: number, status: TaskStatus): TaskInit => ({
      ...{ ...task(kind, { x }), dedupe: [{ kind, fields: ["x"], statuses: [status] }] },
    });
    const answer = await make([
      { ...task(kind, { x: 1 }), key: "p" },
      { ...task(kind, { x: 2 }), dependencies: dependsOn("p") },
      ...[matching(1, TaskStatus.PENDING), matching(2, TaskStatus.WAITING)],
      ...[matching(1, TaskStatus.WAITING), matching(2, TaskStatus.PENDING), matching(2, TaskStatus.RUNNING)],
    ]);
    expect(fates(answer, idsOf(answer))).toEqual(["new", "new", 0, 1, "new", "new", "new"]);
  });

  test("the answer shows a duplicate with the status that the task found has after the call", async () => {
    const kind = newKind();
    const join = { execution: { case: "join", value: {} } } as const;
    const twin = { ...task(kind, { x: 1 }, ["x"]), ...join };
    const { tasks } = await make([twin, twin]);
    expect(tasks.map(({ status }) => TaskStatus[status])).toEqual(["SUCCESS", "SUCCESS"]);
  });

  test("of 2,000 equal tasks one is created, and of 2,000 more none", async () => {
    const kind = newKind();
    const many = Array.from({ length: 2_000 }, () => task(kind, { x: 1 }, ["x"], ["x", "y"]));
    const first = await make(many);
    expect(first.batch?.stats?.total).toBe(1n);
    expect(new Set(idsOf(first)).size).toBe(1);
    expect(new Set(idsOf(await make(many)))).toEqual(new Set(idsOf(first)));
  });
});

describe("an edge onto a duplicate", () => {
  test("leads to the task found, which may be of another batch and may have ended", async () => {
    const kind = newKind();
    const found = await make([task(kind, { x: 1 }), task(kind, { x: 2 })]);
    await server.succeed(await server.claimOne(kind));
    const statuses = [TaskStatus.SUCCESS, TaskStatus.PENDING];
    const unique = (x: number, key: string) => ({
      ...{ ...task(kind, { x }), key, dedupe: [{ kind, fields: ["x"], statuses }] },
    });
    const answer = await make([
      { name: "both", kind: `${kind}-c`, dependencies: dependsOn("b", "a") },
      ...[unique(1, "a"), unique(2, "b")],
      { name: "one", kind: `${kind}-c`, dependencies: dependsOn("a") },
    ]);
    const [first = "", second = ""] = idsOf(found);
    expect(fates(answer, [first, second])).toEqual(["new", 0, 1, "new"]);
    expect(answer.tasks.map(({ key, status }) => [key, TaskStatus[status]])).toEqual([
      ...[
        ["", "WAITING"],
        ["a", "SUCCESS"],
        ["b", "PENDING"],
        ["", "PENDING"],
      ],
    ]);
    expect(await parentsOf(answer.tasks[0]?.taskId)).toEqual([second, first]);
    await server.succeed(await server.claimOne(kind));
    expect(await server.status(answer.tasks[0]?.taskId ?? "")).toBe("PENDING");
  });

  test("leads to an earlier task of the request, and keeps its condition", async () => {
    const kind = newKind();
    const onB = { parent: { case: "key", value: "b" }, condition: DependencyCondition.COMPLETED } as const;
    const answer = await make([
      { ...task(kind, { x: 1 }), key: "a" },
      { ...task(kind, { x: 1 }, ["x"]), key: "b" },
      { name: "c", kind: `${kind}-c`, key: "c", dependencies: [onB] },
    ]);
    expect(await server.task(answer.tasks[2]?.taskId ?? "")).toMatchObject({
      dependencies: [onTask(answer.tasks[0]?.taskId, DependencyCondition.COMPLETED)],
    });
    await server.fail(await server.claimOne(kind));
    expect(await server.status(answer.tasks[2]?.taskId ?? "")).toBe("PENDING");
  });

  test("together with another that leads to the same task makes one edge, of the stricter condition", async () => {
    const kind = newKind();
    const child = (...edges: [string, DependencyCondition][]): TaskInit => ({
      ...{ name: "c", kind: `${kind}-c` },
      dependencies: edges.map(([value, condition]) => ({ parent: { case: "key", value }, condition })),
    });
    const twins = (x: number, ...keys: string[]) => keys.map((key) => ({ ...task(kind, { x }, ["x"]), key }));
    const { SUCCESS, COMPLETED } = DependencyCondition;
    // Both by duplicates of what is created, one by its own key, and both by duplicates of what exists.
    const answer = await make([...twins(1, "a", "b", "c"), child(["b", COMPLETED], ["c", SUCCESS])]);
    expect((await server.task(answer.tasks[3]?.taskId ?? "")).dependencies).toMatchObject([
      onTask(answer.tasks[0]?.taskId, SUCCESS),
    ]);
    const existing = await make([...twins(1, "a", "b"), child(["a", SUCCESS], ["b", COMPLETED])]);
    expect((await server.task(existing.tasks[2]?.taskId ?? "")).dependencies).toMatchObject([
      onTask(answer.tasks[0]?.taskId, SUCCESS),
    ]);
    const mixed = await make([...twins(2, "a", "b"), child(["a", COMPLETED], ["b", SUCCESS])]);
    expect((await server.task(mixed.tasks[2]?.taskId ?? "")).dependencies).toMatchObject([
      onTask(mixed.tasks[0]?.taskId, SUCCESS),
    ]);
  });

  test("makes one with an edge by id or by a key of the open batch onto the task found", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([{ ...task(kind, { x: 1 }), key: "a" }], { open: true });
    const duplicate = { ...task(kind, { x: 1 }, ["x"]), key: "b" };
    const byId = { name: "c", kind, dependencies: [onTask(ids.a), ...dependsOn("b")] };
    const first = await make([duplicate, byId], { batchId });
    expect(await parentsOf(first.tasks[1]?.taskId)).toEqual([ids.a]);
    const byKey = { name: "c", kind, dependencies: dependsOn("a", "b") };
    const second = await make([duplicate, byKey], { batchId });
    expect(await parentsOf(second.tasks[1]?.taskId)).toEqual([ids.a]);
  });

  test("may make a task depend on itself, or a circle: that is refused by its place in the request", async () => {
    const kind = newKind();
    await make([task(kind, { x: 0 })]);
    const rows = await server.rows();
    const refusal = { code: "InvalidArgument", reason: "GRAPH_HAS_CYCLE" } as const;
    // A duplicate stands before them, so that places in the request are not places among what is created.
    const before = { ...task(kind, { x: 0 }, ["x"]), key: "before" };
    const itself = make([
      before,
      { ...task(kind, { x: 1 }), key: "a", dependencies: dependsOn("b") },
      { ...task(kind, { x: 1 }, ["x"]), key: "b" },
    ]);
    const { fields } = await expectRefusal(itself, { ...refusal });
    expect(fields[0]).toMatch(/^tasks\[1\]\.dependencies/);
    const circle = make([
      before,
      { ...task(kind, { x: 1 }), key: "a", dependencies: dependsOn("c") },
      { ...task(kind, { x: 1 }, ["x"]), key: "b" },
      { ...task(kind, { x: 2 }), key: "c", dependencies: dependsOn("b") },
    ]);
    const { metadata, fields: named } = await expectRefusal(circle, { ...refusal });
    expect(metadata.cycle).toMatch(/^(a -> c -> a|c -> a -> c)$/);
    expect(named[0]).toMatch(/^tasks\[(1|3)\]\.dependencies/);
    expect(await server.rows()).toEqual(rows);
  });

  test("does not bring the duplicate's own dependencies along", async () => {
    const kind = newKind();
    const { ids } = await server.graph([{ ...task(kind, { x: 1 }), key: "a" }]);
    const answer = await make([
      { name: "p", kind: `${kind}-p`, key: "p" },
      { ...task(kind, { x: 1 }, ["x"]), key: "b", dependencies: dependsOn("p") },
      { name: "c", kind: `${kind}-c`, key: "c", dependencies: dependsOn("b") },
    ]);
    expect(await parentsOf(answer.tasks[2]?.taskId)).toEqual([ids.a]);
    expect(await parentsOf(ids.a)).toEqual([]);
  });

  test("must name a task of the request, be it a duplicate; its own edges are checked, too", async () => {
    const kind = newKind();
    const duplicate = { ...task(kind, { x: 1 }, ["x"]), key: "b" };
    await make([duplicate]);
    const unknown = make([{ ...duplicate, dependencies: dependsOn("z") }]);
    await expectRefusal(unknown, { code: "InvalidArgument", reason: "UNKNOWN_DEPENDENCY" });
    await expectRefusal(make([duplicate, { ...duplicate, metadata: { x: 2 } }]), {
      ...{ code: "InvalidArgument", reason: "DUPLICATE_KEY", fields: ["tasks[1].key"] },
    });
  });
});

describe("a batch of which every task is a duplicate", () => {
  test("has no tasks and ends as SUCCESS at once, or stays open", async () => {
    const kind = newKind();
    const unique = task(kind, { x: 1 }, ["x"]);
    await make([unique]);
    const closed = await make([unique, unique]);
    expect(closed.batch).toMatchObject({ status: BatchStatus.SUCCESS, stats: { total: 0n } });
    const open = await make([unique], { batch: { open: true } });
    expect(open.batch).toMatchObject({ status: BatchStatus.ACTIVE, stats: { total: 0n } });
    const grown = await make([unique], { batchId: open.batch?.batchId ?? "" });
    expect(grown.batch).toMatchObject({ status: BatchStatus.ACTIVE, stats: { total: 0n } });
    await server.client.batches.sealBatch({ batchId: open.batch?.batchId ?? "" });
    await expectRefusal(make([unique], { batchId: open.batch?.batchId ?? "" }), {
      ...{ code: "FailedPrecondition", reason: "BATCH_SEALED" },
    });
  });
});

test("the tables are consistent after all of it", () => checkInvariants(server.setup.database.url));
