import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Event, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import { expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

describe("ListEvents", () => {
  test("begins at the oldest event, and pages of every size walk all of them once, in order", async () => {
    const kind = newKind();
    const { batchId } = await server.graph(Array.from({ length: 23 }, (_, n) => ({ key: `${n}`, name: "t", kind })));
    await server.succeed(...(await server.claim(kind, { max: 5 })));
    await server.events(1 + 23 + 5 + 5, { batchIds: [batchId] });
    const reference = await server.client.events.listEvents({ pageSize: 1000 });
    expect(reference.events[0]?.payload.case).toBe("batchStatusChanged");
    expect(reference.events.length).toBe(1 + 23 + 5 + 5);
    for (const pageSize of [1, 2, 7, 33, 34, 1000]) {
      const seen: Event[] = [];
      for (let cursor = ""; ; ) {
        const page = await server.client.events.listEvents({ pageSize, cursor });
        expect(page.events.length).toBeLessThanOrEqual(pageSize);
        expect(page.nextCursor).not.toBe("");
        if (page.events.length === 0) break;
        seen.push(...page.events);
        cursor = page.nextCursor;
      }
      expect(seen).toEqual(reference.events);
    }
    expect((await server.client.events.listEvents({})).events).toHaveLength(34);
    expect((await server.client.events.listEvents({ pageSize: 5000 })).events).toHaveLength(34);
    await expectRefusal(server.client.events.listEvents({ pageSize: -1 }), {
      ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["page_size"] },
    });
  });

  test("waits up to wait_timeout for the first event that its filter selects", async () => {
    const kind = newKind();
    const { nextCursor: cursor } = await server.client.events.listEvents({ pageSize: 1000 });
    const startedMs = performance.now();
    const nothing = await server.client.events.listEvents({ cursor, waitTimeout: durationFromMs(200) });
    expect(nothing.events).toEqual([]);
    expect(performance.now() - startedMs).toBeGreaterThan(190);
    const waiting = server.client.events.listEvents({
      cursor,
      filter: { kinds: [kind] },
      waitTimeout: durationFromMs(20_000),
    });
    await server.graph([{ key: "other", name: "t", kind: newKind() }]);
    await server.graph([{ key: "a", name: "t", kind }]);
    const { events } = await waiting;
    expect(events).toMatchObject([{ kind, payload: { case: "taskCreated", value: { key: "a" } } }]);
    await expectRefusal(server.client.events.listEvents({ waitTimeout: durationFromMs(60_001) }), {
      ...{ code: "InvalidArgument", reason: "INVALID_FIELD", fields: ["wait_timeout"] },
    });
  });

  test("shows no effect before its cause while several clients write", async () => {
    const kind = newKind();
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        await server.graph([
          { key: "a", name: "a", kind },
          { key: "b", name: "b", kind, dependencies: [{ parent: { case: "key", value: "a" } }] },
        ]);
        for (const attempt of await server.claim(kind, { max: 4 })) await server.succeed(attempt);
      }),
    );
    const created = await server.client.tasks.listTasks({ kinds: [kind], pageSize: 1000 });
    const changes = created.tasks.reduce((sum, task) => sum + (task.attempt === 1 ? 3 : 1), 0);
    const opened = created.tasks.filter(({ status, key }) => key === "b" && status !== TaskStatus.WAITING).length;
    const events = await server.events(changes + opened, { kinds: [kind] });
    const status = new Map<string, number>();
    for (const { taskId, payload } of events) {
      if (payload.case === "taskCreated") status.set(taskId, payload.value.status);
      if (payload.case !== "taskStatusChanged") continue;
      expect(status.get(taskId)).toBe(payload.value.from);
      status.set(taskId, payload.value.to);
    }
    expect(status.size).toBe(12);
  });
});
