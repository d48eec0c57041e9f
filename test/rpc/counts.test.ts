import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type CountDeltaSchema, type CountRejection, ErrorReason, TaskStatus } from "@millpond/sdk";
import { afterAll, describe, expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { until } from "../support/until.ts";
import { postJson } from "./server-harness.ts";
import { expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();
afterAll(() => checkInvariants(server.setup.database.url));

type Delta = MessageInitShape<typeof CountDeltaSchema>;

const foreignId = "01900000-0000-7000-8000-000000000000";
const countMax = 2n ** 63n - 1n;

const add = async (counts: Delta[], requestId = "") =>
  (await server.client.tasks.addCounts({ counts, requestId })).rejections.map(said);

function said({ index, error }: CountRejection): string {
  const status = error?.currentStatus ? ` ${TaskStatus[error.currentStatus]}` : "";
  return `${index} ${ErrorReason[error?.reason ?? 0]}${status}`;
}

async function countsOf(taskId: string): Promise<[bigint, bigint]> {
  const { successCount, failureCount } = await server.task(taskId);
  return [successCount, failureCount];
}

/** A batch of tasks, of which some run. */
async function tasks(names: readonly string[], running = names.length) {
  const kind = newKind();
  const graph = await server.graph(names.map((name) => ({ key: name, name, kind })));
  const attempts = running === 0 ? [] : await server.claim(kind, { max: running });
  return { ...graph, kind, attempts };
}

describe("AddCounts", () => {
  test("adds to the counters of many tasks and of their batch; the totals are an event", async () => {
    const { batchId, ids } = await tasks(["a", "b"]);
    const [a = "", b = ""] = [ids.a, ids.b];
    const counts = [
      { taskId: a, success: 3n },
      { taskId: b, failure: 2n },
      { taskId: a, success: 4n, failure: 1n },
    ];
    expect(await add(counts)).toEqual([]);
    expect([await countsOf(a), await countsOf(b)]).toEqual([
      [7n, 1n],
      [0n, 2n],
    ]);
    const { batch } = await server.client.batches.getBatch({ batchId });
    expect([batch?.stats?.successCount, batch?.stats?.failureCount]).toEqual([7n, 3n]);
    const events = await server.events(6, { taskIds: [a, b] });
    const told = events.flatMap(({ taskId, payload }) =>
      payload.case === "taskCountsChanged" ? [[taskId, payload.value]] : [],
    );
    expect(told).toMatchObject([
      [a, { successCount: 7n, failureCount: 1n }],
      [b, { successCount: 0n, failureCount: 2n }],
    ]);
  });

  test("refuses single items, in the order of the request, and counts the others; what has ended is frozen", async () => {
    const { ids, attempts, batchId } = await tasks(["a", "ended", "bystander"], 2);
    const [a = "", ended = "", bystander = ""] = [ids.a, ids.ended, ids.bystander];
    const full = (await tasks(["full"])).ids.full ?? "";
    expect(await add([{ taskId: ended, success: 5n }])).toEqual([]);
    await server.succeed(attempts[1] as never);
    expect(await add([{ taskId: full, success: countMax - 1n }])).toEqual([]);
    const counts = [
      ...[
        { taskId: a, success: 1n },
        { taskId: foreignId, success: 1n },
        { taskId: ended, success: 1n },
      ],
      ...[
        { taskId: batchId, failure: 1n },
        { taskId: full, failure: 1n, success: 2n },
        { taskId: a, failure: 1n },
      ],
      ...[{ taskId: bystander, failure: countMax }, { taskId: bystander, failure: 1n }, { taskId: ended }],
    ];
    expect(await add(counts)).toEqual([
      ...["1 TASK_NOT_FOUND", "2 TASK_ENDED SUCCESS", "3 TASK_NOT_FOUND", "4 INVALID_FIELD"],
      ...["6 INVALID_FIELD", "7 INVALID_FIELD", "8 TASK_ENDED SUCCESS"],
    ]);
    expect([await countsOf(a), await countsOf(ended), await countsOf(full), await countsOf(bystander)]).toEqual([
      ...[
        [1n, 1n],
        [5n, 0n],
      ],
      ...[
        [countMax - 1n, 0n],
        [0n, 0n],
      ],
    ]);
    const { rejections } = await server.client.tasks.addCounts({ counts: counts.slice(1, 5) });
    expect(rejections.map(({ error }) => [error?.message, error?.metadata])).toEqual([
      [`there is no task "${foreignId}"`, { task_id: foreignId }],
      ["the task has ended as SUCCESS", { status: "SUCCESS" }],
      [`there is no task "${batchId}"`, { task_id: batchId }],
      ["the count is too large: with what has been counted before it is beyond 64 bits", {}],
    ]);
  });

  test("refuses what would bring the batch beyond 64 bits, and harms no other call", async () => {
    const { ids, batchId } = await tasks(["a", "b"]);
    const other = await tasks(["c"]);
    const [a = "", b = "", c = ""] = [ids.a, ids.b, other.ids.c];
    expect(await add([{ taskId: a, success: countMax }])).toEqual([]);
    const calls = [
      add([
        { taskId: b, success: 2n },
        { taskId: a, failure: 3n },
      ]),
      add([{ taskId: c, success: 4n }]),
    ];
    expect(await Promise.all(calls)).toEqual([["0 INVALID_FIELD", "1 INVALID_FIELD"], []]);
    expect([await countsOf(a), await countsOf(b), await countsOf(c)]).toEqual([
      [countMax, 0n],
      [0n, 0n],
      [4n, 0n],
    ]);
    expect((await server.client.batches.getBatch({ batchId })).batch?.stats?.successCount).toBe(countMax);
  });

  test("takes counts of every task that has not ended, of those that wait and are held, too", async () => {
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "parent", name: "parent", kind },
      { key: "child", name: "child", kind, dependencies: [{ parent: { case: "key", value: "parent" } }] },
      { key: "held", name: "held", kind },
    ]);
    await server.client.tasks.pauseTasks({ taskIds: [ids.held ?? ""] });
    const all = [ids.child, ids.held, ids.parent].map((taskId = "") => ({ taskId, success: 2n }));
    expect(await add(all)).toEqual([]);
    for (const { taskId } of all) expect(await countsOf(taskId)).toEqual([2n, 0n]);
    expect((await server.task(ids.parent ?? "")).activityTime).toBeUndefined();
  });

  test("answers a request_id as it did before, and counts it once, however many ask at the same time", async () => {
    const { ids, attempts } = await tasks(["a", "ended"]);
    const [a = "", ended = ""] = [ids.a, ids.ended];
    await server.succeed(attempts[1] as never);
    const counts = [{ taskId: ended, success: 1n }, { taskId: a, success: 1n }, { taskId: foreignId }];
    const requestId = newKind();
    const refused = ["0 TASK_ENDED SUCCESS", "2 TASK_NOT_FOUND"];
    const calls = Array.from({ length: 20 }, () => add(counts, requestId));
    expect(await Promise.all(calls)).toEqual(Array(20).fill(refused));
    await server.client.tasks.retryTasks({ taskIds: [ended] });
    expect(await add(counts, requestId)).toEqual(refused);
    expect([await countsOf(a), await countsOf(ended)]).toEqual([
      [1n, 0n],
      [0n, 0n],
    ]);
    await expectRefusal(add([{ taskId: a, success: 2n }], requestId), {
      ...{ code: "AlreadyExists", reason: "REQUEST_ID_REUSED" },
    });
    expect(await countsOf(a)).toEqual([1n, 0n]);
  });

  test("refuses a negative delta by its path, and counts nothing", async () => {
    const { ids } = await tasks(["a"]);
    const counts = [
      { taskId: ids.a ?? "", success: 1n },
      { taskId: ids.a ?? "", failure: -1n },
    ];
    await expectRefusal(add(counts), {
      ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["counts[1].failure"] },
    });
    await expectRefusal(add([]), { code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["counts"] });
    expect(await countsOf(ids.a ?? "")).toEqual([0n, 0n]);
  });

  test("works as JSON over HTTP/1.1", async () => {
    const { ids } = await tasks(["a"]);
    const body = {
      counts: [
        { task_id: ids.a, success: "9007199254740993" },
        { task_id: foreignId, failure: 1 },
      ],
    };
    const url = `${server.url}/millpond.v1.TaskService/AddCounts`;
    const { status, json } = await postJson(url, JSON.stringify(body));
    expect([status, json.rejections]).toMatchObject([
      200,
      [{ index: 1, error: { reason: "ERROR_REASON_TASK_NOT_FOUND" } }],
    ]);
    expect(await countsOf(ids.a ?? "")).toEqual([9007199254740993n, 0n]);
  });

  test("is a sign of life: it keeps a task from its inactivity timeout, and a silent one ends", async () => {
    const kind = newKind();
    const names = ["counts", "counts nothing", "silent"];
    const inactivityTimeout = durationFromMs(2_000);
    const { ids } = await server.graph(names.map((name) => ({ key: name, name, kind, inactivityTimeout })));
    await server.claim(kind, { max: 3 });
    await until("the silent one has timed out", async () => {
      await add([{ taskId: ids.counts ?? "", success: 1n }, { taskId: ids["counts nothing"] ?? "" }]);
      return (await server.status(ids.silent ?? "")) === "FAILURE";
    });
    expect([await server.status(ids.counts ?? ""), await server.status(ids["counts nothing"] ?? "")]).toEqual([
      ...["RUNNING", "RUNNING"],
    ]);
    await until("the others have, too", async () => (await server.status(ids.counts ?? "")) === "FAILURE");
    expect(await add([{ taskId: ids.counts ?? "", success: 1n }])).toEqual(["0 TASK_ENDED FAILURE"]);
  });

  test("shrinks what a task holds of a capacity, and a blocked one starts", async () => {
    const kind = newKind();
    const rules = [{ matcher: { kind }, limit: { case: "maxCapacity" as const, value: 10n } }];
    const { ids } = await server.graph(
      ["big", "next"].map((key) => ({ key, name: key, kind, expectedCount: 100n, rules })),
    );
    expect((await server.claim(kind, { max: 5 })).map(({ task }) => task?.name)).toEqual(["big"]);
    const waiting = server.claim(kind, { max: 5, waitMs: 30_000 });
    expect(await add([{ taskId: ids.big ?? "", success: 60n, failure: 29n }])).toEqual([]);
    expect(await server.claim(kind, { max: 5 })).toEqual([]);
    expect(await add([{ taskId: ids.big ?? "", success: 2n }])).toEqual([]);
    expect((await waiting).map(({ task }) => task?.name)).toEqual(["next"]);
    await checkInvariants(server.setup.database.url);
  });

  test("and a closing report: every count is in, or was refused because the task had ended", async () => {
    const { ids, attempts } = await tasks(Array.from({ length: 20 }, (_, n) => `t${n}`));
    const added = new Map<string, bigint>();
    const counting = Object.values(ids).map(async (taskId) => {
      for (let refused = false; !refused; ) {
        refused = (await add([{ taskId, success: 1n }])).length > 0;
        if (!refused) added.set(taskId, (added.get(taskId) ?? 0n) + 1n);
      }
    });
    for (const attempt of attempts) await server.succeed(attempt);
    await Promise.all(counting);
    for (const taskId of Object.values(ids)) expect(await countsOf(taskId)).toEqual([added.get(taskId) ?? 0n, 0n]);
  });

  test("is told by the metrics: what was added, what was refused, and by how many transactions", async () => {
    const { ids } = await tasks(["a"]);
    const figures = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const read = (line: string) => Number(new RegExp(`^${line} (\\S+)$`, "m").exec(text)?.[1]);
      return [
        ...[read('millpond_counts_total\\{outcome="added"\\}'), read('millpond_counts_total\\{outcome="refused"\\}')],
        ...[read("millpond_count_flush_tasks_count"), read("millpond_counts_waiting")],
      ];
    };
    expect(await add([{ taskId: ids.a ?? "" }])).toEqual([]);
    const [added = 0, refused = 0, flushes = 0] = await figures();
    expect(await add([{ taskId: ids.a ?? "" }, { taskId: foreignId }, { taskId: ids.a ?? "" }])).toHaveLength(1);
    expect(await figures()).toEqual([added + 2, refused + 1, flushes + 1, 0]);
  });
});
