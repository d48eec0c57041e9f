import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BatchStatus,
  type Event,
  type EventFilterSchema,
  TaskStatus,
  type WatchEventsRequestSchema,
  type WatchEventsResponse,
} from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { dependsOn, expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

/** A watch whose messages are taken one by one; it ends with the test. */
function watch(request: MessageInitShape<typeof WatchEventsRequestSchema>, on = server.client) {
  const controller = new AbortController();
  const messages = on.events.watchEvents(request, { signal: controller.signal })[Symbol.asyncIterator]();
  const next = async (): Promise<WatchEventsResponse> => {
    const timer = setTimeout(
      () => controller.abort(new Error("waited ten seconds for a message of the watch")),
      10_000,
    );
    const { value, done } = await messages.next().finally(() => clearTimeout(timer));
    if (done === true) throw new Error("the watch has ended");
    return value;
  };
  const events = async (count: number): Promise<Event[]> => {
    const found: Event[] = [];
    while (found.length < count) {
      const { message } = await next();
      if (message.case === "events") found.push(...message.value.events);
    }
    return found;
  };
  const end = (): void => {
    controller.abort();
    // The error with which a stream ends that was aborted between two messages is waiting to be taken.
    messages.next().catch(() => {});
  };
  onTestFinished(end);
  return { next, events, end };
}

/** An event in short: what of which task became what. */
function inShort({ payload, taskId }: Event, names: Record<string, string>): string {
  const name = Object.entries(names).find(([, id]) => id === taskId)?.[0] ?? "batch";
  switch (payload.case) {
    case "taskCreated":
      return `${name} created ${TaskStatus[payload.value.status]}`;
    case "taskStatusChanged":
      return `${name} ${TaskStatus[payload.value.from]} ${TaskStatus[payload.value.to]}`;
    case "batchStatusChanged":
      return `${name} ${BatchStatus[payload.value.from]} ${BatchStatus[payload.value.to]}`;
    case "taskCountsChanged":
      return `${name} counts ${payload.value.successCount} ${payload.value.failureCount}`;
    default:
      return `${name} ${payload.case}`;
  }
}

async function small(kind: string, metadata = {}) {
  return server.graph(
    [
      { key: "a", name: "first", kind, metadata: { ...metadata, role: "a" }, priority: 3 },
      { key: "b", name: "second", kind: `${kind}-b`, dependencies: dependsOn("a") },
    ],
    { name: "small", metadata },
  );
}

const whole = [
  "batch UNSPECIFIED ACTIVE",
  "a created PENDING",
  "b created WAITING",
  "a PENDING RUNNING",
  "a counts 4 0",
  "a RUNNING SUCCESS",
  "b WAITING PENDING",
  "b PENDING RUNNING",
  "b RUNNING FAILURE",
  "batch ACTIVE FAILURE",
];

async function runSmall(kind: string) {
  const graph = await small(kind, { run: kind });
  const a = await server.claimOne(kind, { workerId: "worker-a" });
  await server.client.tasks.reportTasks({
    reports: [
      { taskId: graph.ids.a ?? "", attempt: a.attempt, addSuccessCount: 4n, report: { case: "success", value: {} } },
    ],
  });
  await server.fail(await server.claimOne(`${kind}-b`));
  return graph;
}

describe("WatchEvents", () => {
  test("says its place at once, then every change in order, with all that changed", async () => {
    const watching = watch({});
    const first = await watching.next();
    expect(first).toMatchObject({ message: { case: "checkpoint" } });
    expect(first.cursor).not.toBe("");
    const kind = newKind();
    const { batchId, ids } = await runSmall(kind);
    const events = await watching.events(whole.length);
    expect(events.map((event) => inShort(event, ids))).toEqual(whole);
    expect(new Set(events.map((event) => event.batchId))).toEqual(new Set([batchId]));
    const eventIds = events.map(({ eventId }) => eventId);
    expect(eventIds).toEqual([...new Set(eventIds)].sort());
    const payloads = events.map(({ payload }) => payload.value);
    expect(payloads[1]).toMatchObject({ key: "a", name: "first", priority: 3, parentCount: 0 });
    expect(payloads[2]).toMatchObject({ key: "b", parentCount: 1 });
    expect(payloads[3]).toMatchObject({ attempt: 1, workerId: "worker-a" });
    expect(payloads[8]).toMatchObject({ failure: { message: "broken" } });
    expect(events.map((event) => event.kind).slice(0, 3)).toEqual(["", kind, `${kind}-b`]);
  });

  test("from a cursor, on any server, loses nothing and repeats nothing", async () => {
    const kind = newKind();
    const start = (await watch({}).next()).cursor;
    const { ids } = await runSmall(kind);
    const other = await server.setup.another();
    for (const client of [server.client, other.client]) {
      let cursor = start;
      const seen: string[] = [];
      while (seen.length < whole.length) {
        const watching = watch({ cursor }, client);
        for (;;) {
          const message = await watching.next();
          cursor = message.cursor;
          if (message.message.case !== "events") continue;
          seen.push(...message.message.value.events.map((event) => inShort(event, ids)));
          break;
        }
        watching.end();
      }
      expect(seen).toEqual(whole);
    }
  });

  test("shows a snapshot first, then the changes after exactly that", async () => {
    const kind = newKind();
    const { batchId, ids } = await small(kind);
    const watching = watch({ snapshot: true, filter: { batchIds: [batchId] } });
    const part = await watching.next();
    expect(part).toMatchObject({ cursor: "", message: { case: "snapshot" } });
    if (part.message.case !== "snapshot") return;
    expect(part.message.value.tasks.map(({ key, status }) => [key, status])).toEqual([
      ["a", TaskStatus.PENDING],
      ["b", TaskStatus.WAITING],
    ]);
    expect(part.message.value.batches).toMatchObject([{ batchId, stats: { total: 2n } }]);
    const done = await watching.next();
    expect(done).toMatchObject({ message: { case: "snapshotDone" } });
    await server.claimOne(kind);
    expect((await watching.events(1)).map((event) => inShort(event, ids))).toEqual(["a PENDING RUNNING"]);
    const resumed = watch({ cursor: done.cursor, filter: { batchIds: [batchId] } });
    expect((await resumed.events(1)).map((event) => inShort(event, ids))).toEqual(["a PENDING RUNNING"]);
  });

  test("a snapshot leaves out inputs and outputs", async () => {
    const kind = newKind();
    const { batchId } = await server.graph([
      { key: "a", name: "a", kind, input: { kind: { case: "stringValue", value: "in" } } },
    ]);
    const { task } = await server.claimOne(kind);
    const output = { kind: { case: "stringValue" as const, value: "out" } };
    await server.client.tasks.reportTasks({
      reports: [{ taskId: task?.taskId ?? "", report: { case: "success", value: { output } } }],
    });
    const part = await watch({ snapshot: true, filter: { batchIds: [batchId] } }).next();
    const [shown] = part.message.case === "snapshot" ? part.message.value.tasks : [];
    expect(shown).toMatchObject({ key: "a", status: TaskStatus.SUCCESS });
    expect(shown?.input).toBeUndefined();
    expect(shown?.output).toBeUndefined();
  });
});

describe("a filter", () => {
  test.each<
    [
      string,
      (kind: string, ids: Record<string, string>, batchId: string) => MessageInitShape<typeof EventFilterSchema>,
      string[],
    ]
  >([
    ["by batch", (_kind, _ids, batchId) => ({ batchIds: [batchId] }), whole],
    [
      "by task leaves out the batch",
      (_kind, ids) => ({ taskIds: [ids.b ?? ""] }),
      whole.filter((line) => line.startsWith("b ")),
    ],
    ["by kind leaves out the batch", (kind) => ({ kinds: [kind] }), whole.filter((line) => line.startsWith("a "))],
    [
      "by status has creations and changes to it only",
      (_kind, _ids, batchId) => ({ batchIds: [batchId], statuses: [TaskStatus.PENDING, TaskStatus.FAILURE] }),
      ["a created PENDING", "b WAITING PENDING", "b RUNNING FAILURE"],
    ],
    [
      "by metadata has tasks and batches that contain it",
      (kind) => ({ metadata: { run: kind } }),
      whole.filter((line) => !line.startsWith("b ")),
    ],
    ["by a batch of another database has nothing", () => ({ batchIds: ["01900000-0000-7000-8000-000000000000"] }), []],
  ])("%s", async (_name, filterOf, expected) => {
    const kind = newKind();
    const start = (await watch({}).next()).cursor;
    const { ids, batchId } = await runSmall(kind);
    await server.events(whole.length, { batchIds: [batchId] });
    const filter = filterOf(kind, ids, batchId);
    const page = await server.client.events.listEvents({ filter, cursor: start, pageSize: 1000 });
    expect(page.events.map((event) => inShort(event, ids))).toEqual(expected);
    const watching = watch({ filter, cursor: start });
    expect((await watching.events(expected.length)).map((event) => inShort(event, ids))).toEqual(expected);
  });

  test("of a snapshot selects tasks by status, kind, id and metadata", async () => {
    const kind = newKind();
    const { batchId, ids } = await small(kind, { snap: kind });
    const seen = async (filter: MessageInitShape<typeof EventFilterSchema>): Promise<string[]> => {
      const watching = watch({ snapshot: true, filter });
      const found: string[] = [];
      for (;;) {
        const { message } = await watching.next();
        if (message.case === "snapshot")
          found.push(...message.value.tasks.map(({ key }) => key), ...message.value.batches.map(({ name }) => name));
        if (message.case === "snapshotDone") break;
      }
      watching.end();
      return found;
    };
    expect(await seen({ batchIds: [batchId], statuses: [TaskStatus.WAITING] })).toEqual(["b"]);
    expect(await seen({ kinds: [kind] })).toEqual(["a"]);
    expect(await seen({ taskIds: [ids.b ?? ""] })).toEqual(["b"]);
    expect(await seen({ metadata: { snap: kind } })).toEqual(["a", "small"]);
    expect(await seen({ batchIds: ["01900000-0000-7000-8000-000000000000"] })).toEqual([]);
  });
});

describe("a cursor", () => {
  test("that is none, or of another feed, is INVALID_FIELD, in both calls", async () => {
    for (const cursor of [
      "x",
      "c1",
      "c1-",
      "c999999999999999-0",
      "c-1-0",
      "c1-0-",
      `c1-0-${"1.".repeat(400)}1.x`,
      "C1-0",
    ]) {
      const refusal = { code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["cursor"] } as const;
      await expectRefusal(server.client.events.listEvents({ cursor }), { ...refusal, fields: ["cursor"] });
      await expectRefusal(watch({ cursor }).next(), { ...refusal, fields: ["cursor"] });
    }
    await expectRefusal(watch({ cursor: "c1-0", snapshot: true }).next(), {
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
    });
  });
});
