import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ListTasksRequestSchema, type Task, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

type ListInit = MessageInitShape<typeof ListTasksRequestSchema>;

async function keys(request: ListInit): Promise<string[]> {
  const { tasks } = await server.client.tasks.listTasks(request);
  return tasks.map(({ key }) => key).sort();
}

async function walk(request: ListInit, between?: () => Promise<unknown>): Promise<Task[]> {
  const all: Task[] = [];
  for (let pageToken = ""; ; ) {
    const page = await server.client.tasks.listTasks({ ...request, pageToken });
    all.push(...page.tasks);
    if (page.nextPageToken === "") return all;
    pageToken = page.nextPageToken;
    await between?.();
  }
}

describe("filters of ListTasks", () => {
  test("by batch, status and kind, and all of them together", async () => {
    const [one, two] = [newKind(), newKind()];
    const first = await server.graph([
      { key: "1a", name: "t", kind: one },
      { key: "1b", name: "t", kind: two },
      { key: "1c", name: "t", kind: one, dependencies: dependsOn("1a") },
    ]);
    const second = await server.graph([{ key: "2a", name: "t", kind: one }]);
    expect(await keys({ batchId: first.batchId })).toEqual(["1a", "1b", "1c"]);
    expect(await keys({ kinds: [one] })).toEqual(["1a", "1c", "2a"]);
    expect(await keys({ kinds: [one, two, "nobody's"] })).toEqual(["1a", "1b", "1c", "2a"]);
    expect(await keys({ kinds: ["nobody's"] })).toEqual([]);
    expect(await keys({ batchId: first.batchId, statuses: [TaskStatus.WAITING] })).toEqual(["1c"]);
    expect(await keys({ kinds: [one], statuses: [TaskStatus.PENDING, TaskStatus.RUNNING] })).toEqual(["1a", "2a"]);
    await server.claim(one);
    expect(await keys({ kinds: [one], statuses: [TaskStatus.RUNNING] })).toEqual(["1a"]);
    expect(await keys({ batchId: second.batchId, kinds: [two] })).toEqual([]);
    for (const batchId of ["01900000-0000-7000-8000-000000000000", first.ids["1a"] ?? ""]) {
      expect(await keys({ batchId })).toEqual([]);
    }
  });

  test("name_contains takes % and _ and \\ as they are, without regard to case", async () => {
    const kind = newKind();
    const names = ["100% Done", "100x done", "snake_case", "snakeXcase", "back\\slash", "ÜBER", "日本語 task"];
    await server.graph(names.map((name) => ({ key: name, name, kind })));
    const found = (nameContains: string) => keys({ kinds: [kind], nameContains });
    expect(await found("0% d")).toEqual(["100% Done"]);
    expect(await found("E_C")).toEqual(["snake_case"]);
    expect(await found("k\\s")).toEqual(["back\\slash"]);
    expect(await found("%")).toEqual(["100% Done"]);
    expect(await found("本")).toEqual(["日本語 task"]);
    expect(await found("DONE")).toEqual(["100% Done", "100x done"]);
    expect(await found("' or 1=1 --")).toEqual([]);
  });

  test("metadata is containment, nested and within arrays", async () => {
    const kind = newKind();
    await server.graph([
      { key: "a", name: "a", kind, metadata: { tenant: "x", deep: { list: [1, { k: "v", more: true }], n: null } } },
      { key: "b", name: "b", kind, metadata: { tenant: "y", deep: { list: [2] } } },
      { key: "none", name: "c", kind },
    ]);
    const found = (metadata: NonNullable<ListInit["metadata"]>) => keys({ kinds: [kind], metadata });
    expect(await found({ tenant: "x" })).toEqual(["a"]);
    expect(await found({ deep: { list: [{ k: "v" }] } })).toEqual(["a"]);
    expect(await found({ deep: { list: [2] } })).toEqual(["b"]);
    expect(await found({ deep: { n: null } })).toEqual(["a"]);
    expect(await found({ deep: {} })).toEqual(["a", "b"]);
    expect(await found({ tenant: "z" })).toEqual([]);
    expect(await found({ tenant: 1 })).toEqual([]);
    expect(await found({})).toEqual(["a", "b", "none"]);
  });

  test("ranges of time are half open: created_after is in, created_before is not", async () => {
    const kind = newKind();
    const { ids } = await server.graph([{ key: "a", name: "a", kind }]);
    const createTime = (await server.task(ids.a ?? "")).createTime ?? timestampFromMs(0);
    const next = { ...createTime, nanos: createTime.nanos + 1_000 };
    expect(await keys({ kinds: [kind], createdAfter: createTime })).toEqual(["a"]);
    expect(await keys({ kinds: [kind], createdBefore: createTime })).toEqual([]);
    expect(await keys({ kinds: [kind], createdAfter: createTime, createdBefore: next })).toEqual(["a"]);
    expect(await keys({ kinds: [kind], createdAfter: next })).toEqual([]);
    const [first, last] = [timestampFromMs(0), timestampFromDate(new Date("9999-12-31T23:59:59Z"))];
    expect(await keys({ kinds: [kind], createdAfter: first, createdBefore: last })).toEqual(["a"]);
    expect(await keys({ kinds: [kind], createdAfter: last })).toEqual([]);
    expect(await keys({ kinds: [kind], createdBefore: first })).toEqual([]);
  });
});

describe("pages of ListTasks", () => {
  test("walk everything once, newest first, while tasks are being created", async () => {
    const kind = newKind();
    const { ids } = await server.graph(Array.from({ length: 25 }, (_, n) => ({ key: `${n}`, name: "t", kind })));
    let more = 0;
    const seen = await walk({ kinds: [kind], pageSize: 4 }, () => {
      more += 1;
      return server.graph([{ key: `new${more}`, name: "t", kind }]);
    });
    expect(more).toBeGreaterThan(3);
    expect(seen.map(({ taskId }) => taskId)).toEqual(Object.values(ids).reverse());
    expect((await walk({ kinds: [kind], pageSize: 1000 })).length).toBe(25 + more);
  });

  test("of a batch hold with each filter, and end with an empty token", async () => {
    const kind = newKind();
    const { batchId } = await server.graph(
      Array.from({ length: 12 }, (_, n) => ({ key: `${n}`, name: n % 3 === 0 ? "third" : "t", kind })),
    );
    const seen = await walk({ batchId, nameContains: "third", pageSize: 1 });
    expect(seen.map(({ key }) => key)).toEqual(["9", "6", "3", "0"]);
    expect(await walk({ batchId, nameContains: "nobody", pageSize: 1 })).toEqual([]);
  });

  test("are of 50 by default and of 1000 at most; a negative page_size is refused", async () => {
    const kind = newKind();
    const tasks = Array.from({ length: 1_100 }, () => ({ name: "t", kind }));
    await server.client.tasks.createTasks({ tasks });
    expect((await server.client.tasks.listTasks({ kinds: [kind] })).tasks).toHaveLength(50);
    for (const pageSize of [1000, 1001, 2_147_483_647]) {
      const page = await server.client.tasks.listTasks({ kinds: [kind], pageSize });
      expect(page.tasks).toHaveLength(1000);
      expect(page.nextPageToken).not.toBe("");
    }
    await expectRefusal(server.client.tasks.listTasks({ pageSize: -1 }), {
      ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["page_size"] },
    });
  });

  test("take only the token of a list with the same filters", async () => {
    const kind = newKind();
    await server.graph([1, 2, 3].map((n) => ({ key: `${n}`, name: "t", kind })));
    const { nextPageToken } = await server.client.tasks.listTasks({ kinds: [kind], pageSize: 1 });
    expect(
      (await server.client.tasks.listTasks({ kinds: [kind], pageSize: 2, pageToken: nextPageToken })).tasks,
    ).toHaveLength(2);
    const batches = await server.client.batches.listBatches({ kinds: [kind], pageSize: 1 });
    const forged = (text: string) => Buffer.from(text).toString("base64url");
    const tokens = [
      "x",
      "!!!",
      nextPageToken.slice(1),
      `${nextPageToken}A`,
      forged("p000000000000-1"),
      forged("p-1"),
      "\u00e9",
    ];
    if (batches.nextPageToken !== "") tokens.push(batches.nextPageToken);
    for (const request of [
      ...tokens.map((pageToken) => ({ kinds: [kind], pageToken })),
      { pageToken: nextPageToken },
      { kinds: [kind], nameContains: "t", pageToken: nextPageToken },
      { kinds: [kind], metadata: {}, pageToken: nextPageToken },
    ]) {
      await expectRefusal(server.client.tasks.listTasks(request), {
        ...{ code: "InvalidArgument", reason: "PAGE_TOKEN_MISMATCH", fields: ["page_token"] },
      });
    }
    await expectRefusal(server.client.batches.listBatches({ kinds: [kind], pageToken: nextPageToken }), {
      ...{ code: "InvalidArgument", reason: "PAGE_TOKEN_MISMATCH" },
    });
  });
});

describe("GetTask", () => {
  test("reads an id in any case, and answers TASK_NOT_FOUND for every other", async () => {
    const { ids, batchId } = await server.graph([{ key: "a", name: "a", kind: newKind() }]);
    const taskId = ids.a ?? "";
    expect((await server.client.tasks.getTask({ taskId: taskId.toUpperCase() })).task?.taskId).toBe(taskId);
    for (const other of [batchId, "01900000-0000-7000-8000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]) {
      const { metadata } = await expectRefusal(server.client.tasks.getTask({ taskId: other }), {
        ...{ code: "NotFound", reason: "TASK_NOT_FOUND" },
      });
      expect(metadata).toEqual({ task_id: other });
    }
    for (const other of ["", "x", `{${taskId}}`, `${taskId} `]) {
      await expectRefusal(server.client.tasks.getTask({ taskId: other }), {
        ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["task_id"] },
      });
    }
  });

  test("its etag changes whenever the task does", async () => {
    const kind = newKind();
    const { ids, batchId } = await server.graph([
      { key: "a", name: "a", kind },
      { key: "b", name: "b", kind },
    ]);
    const etags = new Set<string>();
    const batchEtags = new Set<string>();
    const look = async () => {
      etags.add((await server.task(ids.a ?? "")).etag);
      batchEtags.add((await server.client.batches.getBatch({ batchId })).batch?.etag ?? "");
    };
    await look();
    const attempt = await server.claimOne(kind);
    await look();
    await server.succeed(attempt);
    await look();
    await look();
    expect(etags.size).toBe(3);
    expect(batchEtags.size).toBe(3);
  });
});
