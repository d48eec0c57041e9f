import { create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { DependencyCondition, NewTaskSchema, TaskStatus } from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { fates, idsOf, maker, uniqueTask as task } from "./dedupe-tasks.ts";
import { dependsOn, eventually, expectRefusal, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

const make = maker(server);

describe("a matcher finds", () => {
  test("an existing task that has none itself, also one that was created before anything was compared", async () => {
    const kind = newKind();
    const first = await make([task(kind, { x: 1 }), task(kind, { x: 2 })]);
    const second = await make([task(kind, { x: 1 }, ["x"]), task(kind, { x: 3 }, ["x"]), task(kind, { x: 2 })]);
    expect(fates(second, idsOf(first))).toEqual([0, "new", "new"]);
    expect(second.tasks[0]).toMatchObject({ status: TaskStatus.PENDING, deduplicated: true });
    expect(second.batch?.stats?.total).toBe(2n);
    expect(fates(await make([task(kind, { x: 3 }, ["x"])]), idsOf(second))).toEqual([1]);
  });

  test("a task of its kind only, which need not be that of the new task", async () => {
    const [kind, other] = [newKind(), newKind()];
    const first = await make([task(kind, { x: 1 }), task(other, { x: 1 })]);
    const crossed = { ...task(kind, { x: 1 }), dedupe: [{ kind: other, fields: ["x"] }] };
    expect(fates(await make([crossed]), idsOf(first))).toEqual([1]);
    expect(fates(await make([{ ...crossed, dedupe: [{ kind: newKind(), fields: ["x"] }] }]))).toEqual(["new"]);
  });

  test("equal values of all its fields: null, texts, numbers, lists, nested members in whatever order", async () => {
    const values: JsonObject[] = [
      ...[
        { x: null },
        { x: 0 },
        { x: false },
        { x: "" },
        { x: {} },
        { x: [] },
        { x: "1" },
        { x: 1 },
        { x: "ä\u{1f600}\\\"'" },
      ],
      ...[
        { x: 1e21 },
        { x: 1e-7 },
        { x: { a: 1, bb: [{ c: null, d: "d" }], ccc: { e: {} } } },
        { x: [1, 2] },
        { x: [2, 1] },
      ],
    ];
    const reordered = { x: { ccc: { e: {} }, bb: [{ d: "d", c: null }], a: 1 }, y: "more" };
    const kind = newKind();
    const first = await make(values.map((metadata) => task(kind, metadata)));
    const again = await make([...values, reordered].map((metadata) => task(kind, metadata, ["x"])));
    expect(fates(again, idsOf(first))).toEqual([...values.keys(), 11]);
    // The same within one request, where nothing of it exists.
    const fresh = newKind();
    const all = [...values, ...values, reordered];
    const within = await make(all.map((metadata) => task(fresh, metadata, ["x"])));
    expect(fates(within, idsOf(within))).toEqual([...values.map(() => "new"), ...values.keys(), 11]);
  });

  test("a task by several fields, and not by each with the value of another", async () => {
    const kind = newKind();
    const first = await make([task(kind, { x: 1, y: 2 }), task(kind, { x: 1 })]);
    const found = async (metadata: JsonObject) =>
      fates(await make([task(kind, metadata, ["y", "x"])], { validateOnly: true }), idsOf(first))[0];
    expect(await found({ x: 1, y: 2, z: 3 })).toBe(0);
    expect(await found({ x: 2, y: 1 })).toBe("new");
    expect(await found({ x: 1, y: 1 })).toBe("new");
  });

  test("fields of any name", async () => {
    const names = ['a"b', "a,b", "{a}", "a\\b", "NULL", " ", "ä 😀", "a\nb", "toString", "x".repeat(255)];
    const kind = newKind();
    const first = await make(names.map((name) => task(kind, { [name]: 1 })));
    const second = await make(names.map((name) => task(kind, { [name]: 1 }, [name])));
    expect(fates(second, idsOf(first))).toEqual([...names.keys()]);
  });

  test("any task of the kind, where it has no fields", async () => {
    const kind = newKind();
    const first = await make([task(kind, { x: 1 })]);
    expect(fates(await make([{ name: "t", kind, dedupe: [{ kind }] }]), idsOf(first))).toEqual([0]);
    const fresh = newKind();
    const within = await make([1, 2, 3].map(() => ({ name: "t", kind: fresh, dedupe: [{ kind: fresh }] })));
    expect(fates(within, idsOf(within))).toEqual(["new", 0, 0]);
    expect(fates(await make([{ name: "t", kind: fresh }]))).toEqual(["new"]);
  });

  test("nothing where the new task lacks a field of it, nor a task that lacks one", async () => {
    const kind = newKind();
    await make([task(kind, {}), task(kind, { y: 1 }), { name: "bare", kind }]);
    expect(fates(await make([task(kind, { y: 1 }, ["x"]), { ...task(kind, {}, ["x"]), metadata: {} }]))).toEqual([
      ...["new", "new"],
    ]);
    const { tasks } = await make([{ name: "bare", kind, dedupe: [{ kind, fields: ["x"] }] }]);
    expect(tasks[0]?.deduplicated).toBe(false);
    // null is a value, and not a field that is missing.
    expect(fates(await make([task(kind, { x: null }, ["x"])]))).toEqual(["new"]);
  });

  test("what the first of several that finds anything finds, the others being ignored", async () => {
    const kind = newKind();
    const first = await make([task(kind, { x: 1, y: 1 }), task(kind, { x: 2, y: 2 })]);
    const found = async (metadata: JsonObject, ...fields: string[][]) =>
      fates(await make([task(kind, metadata, ...fields)], { validateOnly: true }), idsOf(first))[0];
    expect(await found({ x: 1, y: 2 }, ["x"], ["y"])).toBe(0);
    expect(await found({ x: 1, y: 2 }, ["y"], ["x"])).toBe(1);
    expect(await found({ x: 3, y: 2 }, ["x"], ["y"])).toBe(1);
    expect(await found({ y: 2 }, ["x"], ["z", "y"], ["y"])).toBe(1);
    expect(await found({ x: 3, y: 3 }, ["x"], ["y"])).toBe("new");
  });
});

test("a task shows by which matchers it was made unique", async () => {
  const kind = newKind();
  const dedupe = [{ kind, statuses: [TaskStatus.RUNNING], fields: ["b", "a"] }];
  const { tasks } = await make([{ ...task(kind, { a: 1, b: 1 }), dedupe }]);
  expect((await server.task(tasks[0]?.taskId ?? "")).dedupe).toMatchObject(dedupe);
});

describe("statuses", () => {
  const all = [1, 2, 3, 4, 5, 6, 7, 8, 9] as TaskStatus[];

  test("are matched exactly; none given means every one that has not ended", async () => {
    const silent = await startReceiver(() => {
      // Never answers: its task stays CLAIMED.
    });
    onTestFinished(() => silent[Symbol.asyncDispose]());
    const kind = newKind();
    const at = (key: string, more: Pick<TaskInit, "priority" | "dependencies" | "execution"> = {}): TaskInit => ({
      ...task(kind, { at: key }),
      key,
      ...more,
    });
    const onFailure = { parent: { case: "key", value: "SUCCESS" }, condition: DependencyCondition.FAILURE } as const;
    const { ids } = await server.graph([
      at("SUCCESS", { priority: 3 }),
      at("FAILURE", { priority: 2 }),
      at("RUNNING", { priority: 1 }),
      at("WAITING", { dependencies: dependsOn("RUNNING") }),
      at("CLAIMED", { execution: { case: "onStart", value: { url: silent.url } } }),
      at("SKIPPED", { dependencies: [onFailure] }),
      ...["PAUSED", "CANCELED", "PENDING"].map((key) => at(key)),
    ]);
    const [success, failure] = await server.claim(kind, { max: 3 });
    if (success === undefined || failure === undefined) throw new Error("too few");
    await server.succeed(success);
    await server.fail(failure);
    await server.client.tasks.pauseTasks({ taskIds: [ids.PAUSED ?? ""] });
    await server.client.tasks.cancelTasks({ taskIds: [ids.CANCELED ?? ""] });
    await eventually(async () => (await server.status(ids.CLAIMED ?? "")) === "CLAIMED" || undefined, "CLAIMED");
    for (const status of all) expect(await server.status(ids[TaskStatus[status]] ?? "")).toBe(TaskStatus[status]);

    const places = all.map((status) => ids[TaskStatus[status]]);
    const asked = (statuses: TaskStatus[]) =>
      make(
        all.map((status) => ({
          ...task(kind, { at: TaskStatus[status] as string }),
          dedupe: [{ kind, fields: ["at"], statuses }],
        })),
        { validateOnly: true },
      );
    for (const [n, status] of all.entries()) {
      const answer = await asked([status]);
      expect(fates(answer, places)).toEqual(all.map((_, m) => (m === n ? n : "new")));
      expect(answer.tasks[n]?.status).toBe(status);
    }
    expect(fates(await asked([]), places)).toEqual(all.map((status, n) => (status < 6 ? n : "new")));
    expect(fates(await asked(all), places)).toEqual([...all.keys()]);
    // Once more: what has ended was looked at by now, and is still found.
    expect(fates(await asked([TaskStatus.FAILURE, TaskStatus.SKIPPED]), places)).toEqual(
      all.map((status, n) => (status === TaskStatus.FAILURE || status === TaskStatus.SKIPPED ? n : "new")),
    );
  });

  test("of one that ended, and of one that runs again, are those of the moment", async () => {
    const kind = newKind();
    const [living, ended] = [task(kind, { x: 1 }, ["x"]), { ...task(kind, { x: 1 }) }];
    const endedToo = { ...ended, dedupe: [{ kind, fields: ["x"], statuses: [TaskStatus.FAILURE] }] };
    const found = async (one: TaskInit) => (await make([one], { validateOnly: true })).tasks[0]?.taskId;
    const [taskId = ""] = idsOf(await make([living]));
    expect(await found(living)).toBe(taskId);
    expect(await found(endedToo)).toBe("");
    await server.fail(await server.claimOne(kind));
    for (const _ of [1, 2]) {
      expect(await found(living)).toBe("");
      expect(await found(endedToo)).toBe(taskId);
    }
    // What has ended is remembered as such by a create that is committed, too.
    const other = newKind();
    await make([{ ...task(other, { x: 1 }), dedupe: [{ kind, fields: ["x"], statuses: [TaskStatus.RUNNING] }] }]);
    await server.client.tasks.retryTasks({ taskIds: [taskId] });
    expect(await found(living)).toBe(taskId);
    expect(await found(endedToo)).toBe("");
    await server.client.tasks.cancelTasks({ taskIds: [taskId] });
    expect(await found(living)).toBe("");
  });

  test("prefer a task that has not ended, and then the newest", async () => {
    const kind = newKind();
    const anyStatus = { ...task(kind, { x: 1 }), dedupe: [{ kind, fields: ["x"], statuses: all }] };
    const [first, second, third] = idsOf(await make([1, 2, 3].map(() => task(kind, { x: 1 }))));
    const found = async () => (await make([anyStatus], { validateOnly: true })).tasks[0]?.taskId;
    expect(await found()).toBe(third);
    await server.client.tasks.cancelTasks({ taskIds: [third ?? ""] });
    await make([{ ...task(newKind(), { x: 1 }), dedupe: [{ kind, fields: ["x"], statuses: [TaskStatus.RUNNING] }] }]);
    expect(await found()).toBe(second);
    await server.client.tasks.cancelTasks({ taskIds: [first ?? "", second ?? ""] });
    expect([first, second, third]).toContain(await found());
  });
});

test("validate_only answers what would be, with the ids of what exists only, and creates nothing", async () => {
  const kind = newKind();
  const first = await make([task(kind, { x: 1 }, ["x"])]);
  const rows = await server.rows();
  const tasks = [1, 2, 2].map((x) => task(kind, { x }, ["x"]));
  const answer = await make(tasks, { validateOnly: true });
  expect(answer.tasks.map(({ taskId, deduplicated }) => [taskId, deduplicated])).toEqual([
    [first.tasks[0]?.taskId, true],
    ["", false],
    ["", true],
  ]);
  expect(answer.batch).toMatchObject({ batchId: "", stats: { total: 1n } });
  expect(await server.rows()).toEqual(rows);
});

test("a repetition with the same request_id answers the same, whatever has become of the tasks", async () => {
  const kind = newKind();
  const exists = await make([task(kind, { x: 1 })]);
  const tasks: TaskInit[] = [
    { ...task(kind, { x: 1 }, ["x"]), key: "a" },
    { ...task(kind, { x: 2 }, ["x"]), key: "b" },
    { ...task(kind, { x: 2 }, ["x"]), key: "c" },
    { name: "d", kind, key: "d", dependencies: dependsOn("c", "a") },
  ];
  const requestId = `dedupe-${kind}`;
  const first = await make(tasks, { requestId });
  expect(fates(first, [...idsOf(exists), ...idsOf(first)])).toEqual(["new", "new", 2, "new"].with(0, 0));
  expect(await make(tasks, { requestId })).toEqual(first);
  await server.succeed(...(await server.claim(kind, { max: 2 })));
  const rows = await server.rows();
  expect(await make(tasks, { requestId })).toEqual(first);
  expect(await server.rows()).toEqual(rows);
});

test("UploadTasks counts what was created and what was not, over all of its parts", async () => {
  const kind = newKind();
  await make([task(kind, { x: 1 })]);
  const unique = (x: number, more: Pick<TaskInit, "key" | "dependencies"> = {}) =>
    create(NewTaskSchema, { ...task(kind, { x }, ["x"]), ...more });
  async function* parts() {
    yield { tasks: [unique(1, { key: "a" }), unique(2, { key: "b" })] };
    yield { tasks: [unique(2, { key: "c" }), unique(3, { key: "d", dependencies: dependsOn("a", "c") })] };
  }
  const answer = await server.client.tasks.uploadTasks(parts());
  expect(answer).toMatchObject({ createdCount: 2n, deduplicatedCount: 2n, batch: { stats: { total: 2n } } });
});

test("UpdateTask changes what is found", async () => {
  const kind = newKind();
  const [taskId = ""] = idsOf(await make([task(kind, { x: 1, y: 1 }, ["x"])]));
  const found = async (x: number) => (await make([task(kind, { x }, ["x"])], { validateOnly: true })).tasks[0]?.taskId;
  const update = (metadata: JsonObject, mergeMetadata: boolean) =>
    server.client.tasks.updateTask({
      ...{ task: { taskId, metadata }, mergeMetadata, updateMask: fromJson(FieldMaskSchema, "metadata") },
    });
  await update({ x: 2 }, true);
  expect([await found(1), await found(2)]).toEqual(["", taskId]);
  await update({ y: 2 }, true);
  expect(await found(2)).toBe(taskId);
  await update({ y: 3 }, false);
  expect([await found(1), await found(2)]).toEqual(["", ""]);
  await update({ x: 1 }, true);
  expect(await found(1)).toBe(taskId);
});

describe("under concurrent calls", () => {
  test("one of 16 equal tasks is created, by two servers, also with a matcher that nobody has used", async () => {
    const other = await server.setup.another();
    for (const field of ["x", "y"]) {
      const kind = newKind();
      const one = task(kind, { [field]: 1 }, [field]);
      const calls = Array.from({ length: 16 }, (_, n) =>
        (n % 2 === 0 ? server.client : other.client).tasks.createTasks({ tasks: [one] }),
      );
      const answers = await Promise.all(calls);
      expect(new Set(answers.map(({ tasks }) => tasks[0]?.taskId)).size).toBe(1);
      expect(answers.filter(({ tasks }) => tasks[0]?.deduplicated === false)).toHaveLength(1);
    }
  });

  test("graphs that share tasks in opposite orders are created, each task once", async () => {
    const kind = newKind();
    const keys = Array.from({ length: 40 }, (_, n) => n);
    const graph = (order: number[]) => order.map((x) => task(kind, { x }, ["x"]));
    const answers = await Promise.all(
      [keys, keys.toReversed(), keys, keys.toReversed()].map((order) => make(graph(order))),
    );
    const created = answers.flatMap(({ tasks }) => tasks.filter(({ deduplicated }) => !deduplicated));
    expect(created).toHaveLength(40);
    expect(new Set(answers.flatMap(idsOf)).size).toBe(40);
  });
});

test("matchers compare at most 1,000 sets of fields", async () => {
  const kind = newKind();
  const [row] = await server.query<{ n: number }>("select count(*)::integer n from dedupe_shape");
  const left = 1_000 - (row?.n ?? 0);
  const unique = (n: number) => task(kind, { [`f${n}`]: 1 }, [`f${n}`]);
  const tasks = Array.from({ length: left + 1 }, (_, n) => unique(n));
  const rows = await server.rows();
  const { metadata } = await expectRefusal(make(tasks), { code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" });
  expect(metadata).toMatchObject({ limit: "1000" });
  expect(await server.rows()).toEqual(rows);
  expect((await make(tasks.slice(0, left))).batch?.stats?.total).toBe(BigInt(left));
  await expectRefusal(make(tasks.slice(left)), { code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" });
  expect((await make([unique(0)])).tasks[0]?.deduplicated).toBe(true);
});

test("the tables are consistent after all of it", () => checkInvariants(server.setup.database.url));
