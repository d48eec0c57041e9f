import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Task, type TaskSchema, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { startReceiver } from "../webhooks/receiver.ts";
import { controlServer, foreignId, task } from "./control-server.ts";
import { postJson } from "./server-harness.ts";
import { dependsOn, eventually, expectRefusal, newKind } from "./shared-server.ts";

const { server } = controlServer();

type Given = Omit<MessageInitShape<typeof TaskSchema>, "$typeName">;

/** Updates the fields of a task that a mask names. */
async function update(
  taskId: string | undefined,
  paths: string[],
  given: Given = {},
  more: { requestId?: string; mergeMetadata?: boolean } = {},
): Promise<Task> {
  const request = { task: { ...given, taskId: taskId ?? "" }, updateMask: { paths }, ...more };
  const answer = await server.client.tasks.updateTask(request);
  if (answer.task === undefined) throw new Error("UpdateTask answered no task");
  return answer.task;
}

const merge = (taskId: string | undefined, metadata?: JsonObject) =>
  update(taskId, ["metadata"], metadata === undefined ? {} : { metadata }, { mergeMetadata: true });

describe("UpdateTask", () => {
  test("changes every field that the mask names, and no other; the answer is the task after the call", async () => {
    const { batchId, ids } = await server.graph([task("a", newKind(), { priority: 1, metadata: { m: 1 } })]);
    const before = await server.task(ids.a ?? "");
    const all = [
      "priority",
      "metadata",
      "expected_count",
      "start_timeout",
      "inactivity_timeout",
      "execution_timeout",
      "total_timeout",
    ];
    const given = {
      ...{ priority: -7, metadata: { m: 2, list: [1, null] }, expectedCount: 9n },
      ...{ startTimeout: durationFromMs(5_500), inactivityTimeout: durationFromMs(86_400_000) },
      ...{ executionTimeout: durationFromMs(7_000), totalTimeout: durationFromMs(3_600_000) },
    };
    const after = await update(ids.a, all, { ...given, name: "other", kind: "other", key: "k", attempt: 3 });
    expect(after).toEqual({ ...before, ...after, ...given });
    expect({ ...after, etag: "" }).toMatchObject({
      name: "a",
      key: "a",
      kind: before.kind,
      attempt: 0,
      batchId,
      ...given,
    });
    expect(await server.task(ids.a ?? "")).toEqual(after);
    const events = await server.events(2, { taskIds: [ids.a ?? ""] });
    expect(events[1]?.payload).toMatchObject({ case: "taskUpdated", value: { paths: all } });
    expect(events[1]).toMatchObject({ batchId, taskId: ids.a, kind: before.kind });
    // Named and absent: back to the defaults.
    const bare = await update(ids.a, all);
    expect(bare).toMatchObject({
      priority: 0,
      startTimeout: durationFromMs(30_000),
      inactivityTimeout: durationFromMs(60_000),
    });
    expect([bare.metadata, bare.expectedCount, bare.executionTimeout, bare.totalTimeout]).toEqual(
      Array(4).fill(undefined),
    );
    const one = await update(ids.a, ["priority"], { ...given, priority: 3 });
    expect(one).toEqual({ ...bare, priority: 3, etag: one.etag });
    const third = await server.events(4, { taskIds: [ids.a ?? ""] });
    expect(third[3]?.payload).toMatchObject({ value: { paths: ["priority"] } });
  });

  test("takes a task as it was read, whole, and its mask as JSON has it", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("p", kind),
      task("a", kind, {
        ...{ dependencies: dependsOn("p"), metadata: { m: 1 }, retry: { maxAttempts: 3 }, expectedCount: 4n },
        ...{ onFailure: [{ url: "http://127.0.0.1:9/" }], dedupe: [{ kind, fields: ["m"] }], critical: true },
        ...{ startTime: timestampFromMs(1_000), executionTimeout: durationFromMs(5_000), input: undefined },
      }),
    ]);
    const call = (method: string, body: object) =>
      postJson(`${server.url}/millpond.v1.TaskService/${method}`, JSON.stringify(body));
    const read = (await call("GetTask", { taskId: ids.a })).json.task as Record<string, unknown>;
    const edited = { ...read, priority: 12, expectedCount: "5" };
    const answer = await call("UpdateTask", { task: edited, updateMask: "priority,expectedCount" });
    expect([answer.status, answer.json.task]).toEqual([200, { ...edited, etag: expect.any(String) }]);
    const again = await call("UpdateTask", { task: edited, updateMask: "priority" });
    expect([again.status, again.json.code]).toEqual([409, "aborted"]);
    expect(again.json.details?.[0]?.debug).toMatchObject({ reason: "ETAG_MISMATCH" });
  });

  test("says what is wrong with a request", async () => {
    const { ids } = await server.graph([task("a", newKind())]);
    const invalid = (...fields: string[]) => ({ code: "InvalidArgument", reason: "INVALID_FIELD", fields }) as const;
    await expectRefusal(update(ids.a, []), invalid("update_mask"));
    for (const path of ["name", "status", "input", "prioritY", "metadata.x", "retry", "*", ""])
      await expectRefusal(update(ids.a, ["priority", path]), invalid("update_mask"));
    await expectRefusal(server.client.tasks.updateTask({ updateMask: { paths: ["priority"] } }), invalid("task"));
    await expectRefusal(server.client.tasks.updateTask({ task: { taskId: ids.a ?? "" } }), invalid("update_mask"));
    await expectRefusal(update("x", ["priority"]), invalid("task.task_id"));
    await expectRefusal(update(ids.a, ["priority"], { priority: 1001 }), invalid("task.priority"));
    await expectRefusal(update(ids.a, ["expected_count"], { expectedCount: -1n }), invalid("task.expected_count"));
    for (const [field, name] of [
      ...[
        ["start_timeout", "startTimeout"],
        ["inactivity_timeout", "inactivityTimeout"],
      ],
      ...[
        ["execution_timeout", "executionTimeout"],
        ["total_timeout", "totalTimeout"],
      ],
    ] as const) {
      await expectRefusal(update(ids.a, [field], { [name]: { seconds: -1n } }), invalid(`task.${field}`));
      await expectRefusal(update(ids.a, [field], { [name]: { seconds: 31_622_401n } }), invalid(`task.${field}`));
    }
    const missing = await expectRefusal(update(foreignId, ["priority"]), {
      code: "NotFound",
      reason: "TASK_NOT_FOUND",
    });
    expect(missing.metadata).toEqual({ task_id: foreignId });
    const unchanged = await server.events(1, { taskIds: [ids.a ?? ""] });
    expect(unchanged).toHaveLength(1);
  });

  test("refuses a task that has ended, in whatever way", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("done", kind, { priority: 2 }),
      task("bad", kind, { priority: 1 }),
      task("below", kind, { dependencies: dependsOn("bad") }),
      task("gone", kind),
    ]);
    await server.succeed(await server.claimOne(kind));
    await server.fail(await server.claimOne(kind));
    await server.client.tasks.cancelTasks({ taskIds: [ids.gone ?? ""] });
    const ends = { done: "SUCCESS", bad: "FAILURE", below: "FAILURE", gone: "CANCELED" };
    for (const [key, status] of Object.entries(ends)) {
      const refusal = { code: "FailedPrecondition", reason: "TASK_ENDED" } as const;
      expect((await expectRefusal(update(ids[key], ["metadata"]), refusal)).metadata).toEqual({ status });
    }
  });

  test("edits one that is WAITING, PENDING, PAUSED or RUNNING; of one that is claimed not the priority", async () => {
    await using hanging = await startReceiver(() => {});
    const kind = newKind();
    const { batchId, ids } = await server.graph([
      task("running", kind),
      task("claimed", `${kind}-p`, { execution: { case: "onStart", value: { url: hanging.url } } }),
      task("waiting", kind, { dependencies: dependsOn("running") }),
      task("pending", `${kind}-q`),
      task("paused", `${kind}-q`),
    ]);
    await server.claimOne(kind);
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    await eventually(async () => ((await server.status(ids.claimed ?? "")) === "CLAIMED" ? true : undefined), "a call");
    for (const key of ["waiting", "pending", "paused"])
      expect(await update(ids[key], ["priority", "metadata"], { priority: 5 })).toMatchObject({ priority: 5 });
    for (const [key, from] of Object.entries({ running: "RUNNING", claimed: "CLAIMED" })) {
      const before = await server.task(ids[key] ?? "");
      const refusal = { code: "FailedPrecondition", reason: "ILLEGAL_TRANSITION" } as const;
      const { metadata } = await expectRefusal(
        update(ids[key], ["metadata", "priority"], { metadata: { m: 1 } }),
        refusal,
      );
      expect(metadata.from).toBe(from);
      expect(await server.task(ids[key] ?? "")).toEqual(before);
      expect(await update(ids[key], ["metadata"], { metadata: { m: 2 } })).toMatchObject({ metadata: { m: 2 } });
    }
    await server.client.batches.stopBatch({ batchId });
  });
});

describe("the priority of a task that has not been claimed", () => {
  test("moves it in the queue, up and down, also while it waits, is held or is of a paused batch", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      task("gate", `${kind}-g`),
      ...["a", "b", "c", "d"].map((key) => task(key, kind)),
      task("child", kind, { dependencies: dependsOn("gate") }),
      task("paused", kind),
      task("later", kind, { startTime: timestampFromMs(Date.now() + 700) }),
    ]);
    const held = await server.graph([task("held", kind), task("held2", kind)], { paused: true });
    await server.client.tasks.pauseTasks({ taskIds: [ids.paused ?? ""] });
    // A claim that finds nothing else would have moved what is held out of the queue.
    const probe = await server.graph([task("probe", kind, { priority: 1000 })]);
    expect((await server.claimOne(kind)).task?.taskId).toBe(probe.ids.probe);
    const priorities = { c: 10, a: -10, child: 20, paused: 5, later: 40 };
    for (const [key, priority] of Object.entries(priorities)) await update(ids[key], ["priority"], { priority });
    await update(held.ids.held2, ["priority"], { priority: 30 });
    await server.succeed(await server.claimOne(`${kind}-g`));
    await server.client.tasks.resumeTasks({ taskIds: [ids.paused ?? ""] });
    await server.client.batches.resumeBatch({ batchId: held.batchId });
    await eventually(
      async () => (await server.query("select from ready where id in (select id from task where name = 'later')"))[0],
      "the start time",
    );
    const order = (await server.claim(kind, { max: 20 })).map(({ task }) => task?.key);
    expect(order).toEqual(["later", "held2", "child", "c", "paused", "b", "d", "held", "a"]);
  });
});

describe("metadata", () => {
  test("is replaced whole, or merged as RFC 7396 says; absent clears it", async () => {
    const { ids } = await server.graph([
      task("a", newKind(), { metadata: { keep: 1, drop: 2, deep: { x: 1, y: 2 }, list: [1, 2] } }),
    ]);
    expect(
      (
        await merge(ids.a, {
          drop: null,
          deep: { y: null, z: { n: null, v: 1 } },
          list: [null],
          "new": { a: { b: null } },
        })
      ).metadata,
    ).toEqual({
      ...{ keep: 1, deep: { x: 1, z: { v: 1 } }, list: [null], new: { a: {} } },
    });
    expect((await merge(ids.a, { deep: "text", keep: { now: "an object" }, absent: null })).metadata).toEqual({
      ...{ deep: "text", keep: { now: "an object" }, list: [null], new: { a: {} } },
    });
    expect((await merge(ids.a, { deep: { again: true } })).metadata).toMatchObject({ deep: { again: true } });
    const before = (await server.task(ids.a ?? "")).metadata;
    expect((await merge(ids.a, {})).metadata).toEqual(before);
    expect((await merge(ids.a)).metadata).toEqual(before);
    expect((await update(ids.a, ["metadata"], { metadata: { only: null } })).metadata).toEqual({ only: null });
    expect((await merge(ids.a, { more: 1 })).metadata).toEqual({ only: null, more: 1 });
    expect((await update(ids.a, ["metadata"])).metadata).toBeUndefined();
    expect((await merge(ids.a, { first: { x: 1 } })).metadata).toEqual({ first: { x: 1 } });
    // Without metadata in the mask merge_metadata does nothing.
    expect((await update(ids.a, ["priority"], { metadata: { no: 1 } }, { mergeMetadata: true })).metadata).toEqual({
      first: { x: 1 },
    });
  });

  test("merges names that mean something to JavaScript like any other", async () => {
    const { ids } = await server.graph([task("a", newKind(), { metadata: { a: 1 } })]);
    const odd =
      '{"__proto__": {"polluted": 1}, "constructor": {"x": 1}, "toString": null, "b": {"__proto__": "t", "hasOwnProperty": 2}}';
    const body = `{"task": {"taskId": "${ids.a}", "metadata": ${odd}}, "updateMask": "metadata", "mergeMetadata": MERGE}`;
    const call = (merging: boolean) =>
      postJson(`${server.url}/millpond.v1.TaskService/UpdateTask`, body.replace("MERGE", `${merging}`));
    const rest = '"__proto__": {"polluted": 1}, "constructor": {"x": 1}';
    const stored = () =>
      server.query<{ metadata: string }>("select metadata::text from task where name = 'a' order by id desc limit 1");
    expect((await call(false)).status).toBe(200);
    const [replaced] = await stored();
    expect(replaced?.metadata).toBe(`{"b": {"__proto__": "t", "hasOwnProperty": 2}, "toString": null, ${rest}}`);
    await update(ids.a, ["metadata"]);
    expect((await call(true)).status).toBe(200);
    const [merged] = await stored();
    expect(merged?.metadata).toBe(`{"b": {"__proto__": "t", "hasOwnProperty": 2}, ${rest}}`);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test("is found by its new values and not by its old ones, and is what events are selected by and claims hand out", async () => {
    const kind = newKind();
    const { batchId, ids } = await server.graph([task("a", kind, { metadata: { color: "red" } })]);
    await merge(ids.a, { color: "blue" });
    const find = async (color: string) =>
      (await server.client.tasks.listTasks({ batchId, metadata: { color } })).tasks.length;
    expect([await find("red"), await find("blue")]).toEqual([0, 1]);
    expect((await server.claimOne(kind)).task?.metadata).toEqual({ color: "blue" });
  });

  test("is bounded at 64 KiB, merged too", async () => {
    const half = "x".repeat(40_000);
    const { ids } = await server.graph([task("a", newKind(), { metadata: { half } })]);
    const refusal = { code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["task.metadata"] } as const;
    await expectRefusal(merge(ids.a, { other: half }), { ...refusal, fields: ["task.metadata"] });
    await expectRefusal(update(ids.a, ["metadata"], { metadata: { all: half + half } }), {
      ...refusal,
      fields: ["task.metadata"],
    });
    expect((await server.task(ids.a ?? "")).metadata).toEqual({ half });
    expect((await merge(ids.a, { half: null, other: half })).metadata).toEqual({ other: half });
  });

  test("is what deduplication reads from then on", async () => {
    const kind = newKind();
    const dedupe = [{ kind, fields: ["file"] }];
    const { ids } = await server.graph([task("a", kind, { metadata: { file: "one" }, dedupe })]);
    await merge(ids.a, { file: "two" });
    const create = async (file: string) =>
      (await server.client.tasks.createTasks({ tasks: [task("n", kind, { metadata: { file }, dedupe })] })).tasks[0];
    expect(await create("two")).toMatchObject({ deduplicated: true, taskId: ids.a });
    expect(await create("one")).toMatchObject({ deduplicated: false });
  });
});

describe("expected_count", () => {
  test("changes the sum of the batch, which is absent when no task has one", async () => {
    const { batchId, ids } = await server.graph([task("a", newKind()), task("b", newKind(), { expectedCount: 5n })]);
    const sum = async () => (await server.client.batches.getBatch({ batchId })).batch?.stats?.expectedCount;
    await update(ids.a, ["expected_count"], { expectedCount: 7n });
    expect(await sum()).toBe(12n);
    await update(ids.a, ["expected_count"], { expectedCount: 0n });
    expect(await sum()).toBe(5n);
    await update(ids.b, ["expected_count"]);
    expect(await sum()).toBe(0n);
    await update(ids.a, ["expected_count"]);
    expect(await sum()).toBeUndefined();
    await update(ids.b, ["expected_count"], { expectedCount: 2n ** 40n });
    expect(await sum()).toBe(2n ** 40n);
  });
});

describe("etag", () => {
  test("changes with every edit and every change of status, and is compared when it is given", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind, { metadata: { m: 1 } })]);
    const etags = [(await server.task(ids.a ?? "")).etag];
    const etag = () => etags.at(-1) ?? "";
    for (const path of [
      "priority",
      "metadata",
      "expected_count",
      "start_timeout",
      "inactivity_timeout",
      "total_timeout",
      "execution_timeout",
    ])
      etags.push((await update(ids.a, [path], { etag: etag(), metadata: { m: 1 } })).etag);
    await server.client.tasks.pauseTasks({ taskIds: [ids.a ?? ""] });
    etags.push((await server.task(ids.a ?? "")).etag);
    await server.client.tasks.resumeTasks({ taskIds: [ids.a ?? ""] });
    await server.claimOne(kind);
    etags.push((await server.task(ids.a ?? "")).etag);
    expect(new Set(etags).size).toBe(etags.length);
    const before = await server.task(ids.a ?? "");
    for (const old of [etags[0], etags.at(-2), "x"]) {
      const refusal = { code: "Aborted", reason: "ETAG_MISMATCH", fields: ["task.etag"] };
      await expectRefusal(update(ids.a, ["metadata"], { etag: old ?? "" }), refusal as never);
    }
    expect(await server.task(ids.a ?? "")).toEqual(before);
    expect(await update(ids.a, ["metadata"], { etag: before.etag })).toMatchObject({ status: TaskStatus.RUNNING });
  });

  test("lets one of several edits at once win", async () => {
    const { ids } = await server.graph([task("a", newKind())]);
    const { etag } = await server.task(ids.a ?? "");
    const edits = await Promise.allSettled(
      [1, 2, 3, 4].map((priority) => update(ids.a, ["priority"], { priority, etag })),
    );
    expect(edits.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

describe("request_id", () => {
  test("makes an edit safe to repeat, on any server: nothing is done again", async () => {
    const { ids } = await server.graph([task("a", newKind(), { metadata: { n: 0 } })]);
    const other = (await server.setup.another()).client;
    const asked = {
      ...{
        requestId: `edit-${ids.a}`,
        task: { taskId: ids.a ?? "", priority: 3, etag: (await server.task(ids.a ?? "")).etag },
      },
      updateMask: { paths: ["priority"] },
    };
    const first = await server.client.tasks.updateTask(asked);
    expect(await other.tasks.updateTask(asked)).toEqual(first);
    const reuse = { code: "AlreadyExists", reason: "REQUEST_ID_REUSED" } as const;
    await expectRefusal(other.tasks.updateTask({ ...asked, updateMask: { paths: ["metadata"] } }), reuse);
    await update(ids.a, ["priority"], { priority: 9 });
    expect((await other.tasks.updateTask(asked)).task?.priority).toBe(9);
    expect((await server.task(ids.a ?? "")).priority).toBe(9);
    expect(await server.events(3, { taskIds: [ids.a ?? ""] })).toHaveLength(3);
  });

  test("of an edit of a task that has ended since is answered, too", async () => {
    const kind = newKind();
    const { ids } = await server.graph([task("a", kind)]);
    const asked = {
      requestId: `ended-${ids.a}`,
      task: { taskId: ids.a ?? "", priority: 3 },
      updateMask: { paths: ["priority"] },
    };
    await server.client.tasks.updateTask(asked);
    await server.succeed(await server.claimOne(kind));
    expect((await server.client.tasks.updateTask(asked)).task).toMatchObject({ taskId: ids.a, priority: 3 });
  });

  test("of equal calls at once does the work once", async () => {
    const { ids } = await server.graph([task("a", newKind())]);
    const asked = {
      requestId: `both-${ids.a}`,
      task: { taskId: ids.a ?? "", priority: 3 },
      updateMask: { paths: ["priority"] },
    };
    const answers = await Promise.all([1, 2, 3, 4].map(() => server.client.tasks.updateTask(asked)));
    for (const { task } of answers) expect(task?.priority).toBe(3);
    await update(ids.a, ["metadata"]);
    const events = await server.events(3, { taskIds: [ids.a ?? ""] });
    expect(events.map(({ payload }) => payload.value && "paths" in payload.value && payload.value.paths)).toEqual([
      ...[false, ["priority"], ["metadata"]],
    ]);
  });
});
