import { describe, expect, it } from "vitest";
import { EventTx } from "../../src/store/entities/event-tx.ts";
import { Queue } from "../../src/store/entities/queue.ts";
import { Task } from "../../src/store/entities/task.ts";
import { Timer } from "../../src/store/entities/timer.ts";
import { openOrm } from "../../src/store/orm.ts";
import { createTestDatabase } from "../support/database.ts";

const big = 9_007_199_254_740_993n;
const at = new Date("2026-01-02T03:04:05.678Z");

describe("openOrm", () => {
  it("connects when it is first used, not before", async () => {
    await using orm = openOrm("postgres://nobody@127.0.0.1:1/nowhere");
    await expect(orm.em.fork().findOne(Queue, { id: 1 })).rejects.toThrow("ECONNREFUSED");
  });

  it("keeps 64-bit numbers, arrays, JSON and nulls exactly, there and back", async () => {
    await using database = await createTestDatabase();
    await using orm = openOrm(database.url);
    const task = {
      id: big,
      batchId: 7n,
      createTime: at,
      namespaceId: 1,
      queue: 1,
      name: "wide",
      parents: [1n, big],
      parentConditions: [1, 3],
      metadata: { nested: { list: [1, "two", null] } },
      input: '{"exact": 1.0}',
    };
    const writer = orm.em.fork();
    writer.create(Task, task);
    writer.create(Queue, { namespaceId: 1, kind: "render", execution: 1, labels: { gpu: "yes" } });
    writer.create(Timer, { due: at, taskIds: [big], attempts: [0, 2] });
    const columns = { types: [1], fromStatuses: [0], toStatuses: [2], attempts: [0], queues: [1], workers: [0] };
    writer.create(EventTx, { seq: 1n, commitTime: at, batchIds: [7n], taskIds: [big], ...columns });
    await writer.flush();

    const reader = orm.em.fork();
    expect({ ...(await reader.findOneOrFail(Task, { id: big })) }).toMatchObject({
      ...task,
      key: null,
      children: null,
    });
    expect(await reader.findOneOrFail(Queue, { kind: "render" })).toMatchObject({ id: 1, labels: { gpu: "yes" } });
    expect(await reader.findOneOrFail(Timer, { due: at })).toMatchObject({ id: 1n, taskIds: [big], attempts: [0, 2] });
    expect(await reader.findOneOrFail(EventTx, { seq: 1n })).toMatchObject({ taskIds: [big], ...columns });
  });
});
