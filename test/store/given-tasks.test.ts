import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { GivenTasks, type GivenTasksOptions } from "../../src/store/given-tasks.ts";
import { graphWith } from "./plan-tables.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const by = { time: 1_000_000, version: "77" };
const start = { time: 2_000_000, place: { worker: 1, leaseMs: 30_000 } };

function wanted(options: GivenTasksOptions): GivenTasks {
  const given = new GivenTasks(options);
  given.want();
  return given;
}

const graph = (size: number, input: string | null = null) => graphWith({ size }, () => ({ input }));

test("so many tasks are known, and so many bytes of them: the first ones", () => {
  const given = wanted({ tasksMax: 3, bytesMax: 1_600 });
  const [few, more, large] = [graph(5), graph(1), graph(5, "x".repeat(40))];
  given.remember(few.batchId, few.tasks, by);
  expect(given.size).toBe(3);
  given.remember(more.batchId, more.tasks, by);
  expect(few.ids.map((id) => given.take(id, start)?.task.name)).toEqual([
    ...["task 0", "task 1", "task 2"],
    ...[undefined, undefined],
  ]);
  expect(given.take(more.ids[0] as bigint, start)).toBeUndefined();
  given.remember(large.batchId, large.tasks, by);
  expect(given.size).toBe(2);
  // What is taken is known no more, and makes room again.
  expect(given.take(large.ids[0] as bigint, start)?.bytes).toBe(40);
  expect(given.take(large.ids[0] as bigint, start)).toBeUndefined();
  const last = graph(2, "x".repeat(60));
  given.remember(last.batchId, last.tasks, by);
  expect(last.ids.map((id) => given.take(id, start) !== undefined)).toEqual([true, false]);
});

test("what leads to other tasks counts, too, and what is handed out is measured in bytes", () => {
  const given = wanted({});
  const many = Array.from({ length: 400 }, (_, n) => 100_000_000_000_000_000n + BigInt(n));
  const what = [{ children: `{${many.join(",")}}` }, { parents: `{${many.join(",")}}` }, { input: '"水"' }];
  const { batchId, tasks, ids } = graphWith({ size: 3 }, (_, n) => what[n] ?? {});
  given.remember(batchId, tasks, by);
  expect(ids.map((id) => given.take(id, start)?.bytes)).toEqual([undefined, undefined, 5]);
});

test("of a large graph, the first tasks are collected that are worth keeping, for half of the room", () => {
  using few = wanted({ tasksMax: 6 }).collect();
  const graphs = [graph(2), graph(2)];
  for (const { tasks } of graphs) few.add(tasks);
  expect(few.rows).toEqual(graphs.flatMap(({ tasks }) => tasks).slice(0, 3));
  using short = wanted({ bytesMax: 2_200 }).collect();
  short.add(graph(1, "x".repeat(5_000)).tasks);
  short.add(graph(3).tasks);
  expect(short.rows).toHaveLength(2);
  using unwanted = new GivenTasks().collect();
  unwanted.add(graph(3).tasks);
  expect(unwanted.rows).toEqual([]);
});

test("a graph that is written again is collected again, and one graph at a time", () => {
  const given = wanted({ tasksMax: 6 });
  const { tasks } = graph(2);
  {
    using first = given.collect();
    first.add(tasks);
    first.begin();
    first.add(tasks);
    expect(first.rows).toEqual(tasks);
    using second = given.collect();
    second.add(tasks);
    expect(second.rows).toEqual([]);
  }
  using later = given.collect();
  later.add(tasks);
  expect(later.rows).toEqual(tasks);
});

test("a task with long texts, one that waits for a time, and one that no worker executes are not kept", () => {
  const given = wanted({});
  const what = [{ input: "x".repeat(4_097) }, { startTime: "2030-01-01" }, { execution: 2 }, { status: 5 }, {}];
  const { batchId, tasks, ids } = graphWith({ size: 5 }, (_, n) => what[n] ?? {});
  given.remember(batchId, tasks, by);
  expect(ids.map((id) => given.take(id, start) !== undefined)).toEqual([false, false, false, false, true]);
});

test("tasks are forgotten after a while, and with them the timer", () => {
  const given = wanted({ keptMs: 1_000, bytesMax: 1_100 });
  const [first, second] = [graph(1, "x".repeat(60)), graph(1, "x".repeat(60))];
  given.remember(first.batchId, first.tasks, by);
  vi.advanceTimersByTime(1_000);
  expect(given.size).toBe(1);
  given.want();
  given.remember(second.batchId, second.tasks, by);
  expect(given.size).toBe(1);
  vi.advanceTimersByTime(1_000);
  expect(given.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  given.want();
  given.remember(second.batchId, second.tasks, by);
  expect(given.size).toBe(1);
});

test("nothing is kept where no worker has taken tasks for a while", () => {
  const given = wanted({ keptMs: 1_000 });
  vi.advanceTimersByTime(1_001);
  const { batchId, tasks } = graph(1);
  given.remember(batchId, tasks, by);
  expect(given.size).toBe(0);
});
