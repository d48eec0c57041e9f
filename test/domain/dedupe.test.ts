import { describe, expect, it } from "vitest";
import { findDuplicates, lookUps, withoutDuplicates } from "../../src/domain/dedupe.ts";
import type { DedupeMatcher } from "../../src/domain/dedupe-matcher.ts";
import type { NewTask } from "../../src/domain/new-task.ts";
import { checkGraph, type RequestedEdge } from "../../src/domain/task-graph.ts";
import { DependencyCondition, TaskStatus } from "../../src/domain/task-status.ts";

const { SUCCESS, COMPLETED, FAILURE } = DependencyCondition;
const living = [TaskStatus.WAITING, TaskStatus.PENDING, TaskStatus.CLAIMED, TaskStatus.RUNNING, TaskStatus.PAUSED];

interface TaskInit extends Partial<Pick<NewTask, "key" | "kind" | "dependencies">> {
  readonly metadata?: unknown;
  readonly dedupe?: readonly Partial<DedupeMatcher>[];
}

function task({ key = "", kind = "k", dependencies = [], metadata, dedupe = [] }: TaskInit): NewTask {
  return {
    ...{ key, kind, dependencies, name: key, execution: 1, labels: {}, host: "", unmetPolicy: 0, priority: 0 },
    metadata: metadata === undefined ? null : JSON.stringify(metadata),
    dedupe: dedupe.map(({ kind: of = "k", statuses = living, fields = ["x"] }) => ({ kind: of, statuses, fields })),
    ...{ input: null, spec: null, expectedCount: null, startTime: null, startTimeoutMs: 1, inactivityTimeoutMs: 1 },
    ...{
      executionTimeoutMs: null,
      totalTimeoutMs: null,
      retry: null,
      rules: [],
      onSuccess: 0,
      onFailure: 0,
      onCancel: 0,
    },
    ...{ critical: false, onlyForDependents: false, fairnessKey: "", fairnessWeight: 1 },
  };
}

const edges = (...keys: string[]): RequestedEdge[] => keys.map((key) => ({ key, condition: SUCCESS }));
const nothing = () => undefined;
/** Which tasks are duplicates of which earlier ones, by place. */
const duplicates = (...tasks: TaskInit[]) =>
  Object.fromEntries(
    [...findDuplicates(tasks.map(task), nothing)].map(([place, found]) => [
      place,
      found.case === "earlier" ? found.place : found.id,
    ]),
  );
const same = { dedupe: [{}] };

it("looks at no task twice where a hundred thousand have equal values, and none the status that is asked for", () => {
  const one = task({ metadata: { x: 1 }, dedupe: [{ statuses: [TaskStatus.SUCCESS] }] });
  const all = Array.from({ length: 100_000 }, () => one);
  expect(findDuplicates(all, nothing).size).toBe(0);
  // Comparing all with all would take minutes.
  const last = task({ metadata: { x: 1 }, dedupe: [{ statuses: [TaskStatus.PENDING] }] });
  expect(findDuplicates([...all, last], nothing)).toEqual(new Map([[100_000, { case: "earlier", place: 0 }]]));
});

describe("lookUps", () => {
  it("asks for each matcher of each task whose fields the task has", () => {
    const asked = lookUps(
      [
        { metadata: { x: 1, y: 1 }, dedupe: [{}, { fields: ["x", "y"] }, { fields: ["x", "z"] }] },
        { metadata: { z: null }, dedupe: [{}, { fields: ["z"] }] },
        { dedupe: [{}, { fields: [] }] },
        { metadata: { x: 1 } },
      ].map(task),
    );
    expect(asked.map(({ place, matcher }) => ({ place, matcher }))).toEqual([
      { place: 0, matcher: 0 },
      { place: 0, matcher: 1 },
      { place: 1, matcher: 1 },
      { place: 2, matcher: 1 },
    ]);
  });

  it("takes nothing that an object inherits for a field", () => {
    expect(lookUps([task({ metadata: {}, dedupe: [{ fields: ["toString"] }, { fields: ["__proto__"] }] })])).toEqual(
      [],
    );
  });
});

describe("findDuplicates", () => {
  it("finds an earlier task with the kind and equal values, which needs no matcher itself", () => {
    const [a, b] = [{ metadata: { x: 1 } }, { metadata: { x: 1 }, ...same }];
    expect(duplicates(a, b)).toEqual({ 1: 0 });
    expect(duplicates(b, a)).toEqual({});
    expect(duplicates({ ...a, kind: "other" }, b)).toEqual({});
    expect(duplicates({ metadata: { x: 2 } }, b)).toEqual({});
    expect(duplicates({ metadata: { y: 1 } }, b)).toEqual({});
    expect(duplicates({}, b)).toEqual({});
  });

  it("finds by the matcher's kind, whatever the kind of the new task", () => {
    expect(duplicates({ kind: "b", metadata: { x: 1 } }, { metadata: { x: 1 }, dedupe: [{ kind: "b" }] })).toEqual({
      1: 0,
    });
  });

  it("finds a task by its status: WAITING with dependencies, PENDING without", () => {
    const [x, parent] = [{ metadata: { x: 1 } }, { key: "p" }];
    const waiting = { ...x, dependencies: edges("p") };
    const matching = (status: number) => ({ ...x, dedupe: [{ statuses: [status] }] });
    expect(duplicates(parent, waiting, matching(TaskStatus.WAITING))).toEqual({ 2: 1 });
    expect(duplicates(parent, waiting, matching(TaskStatus.PENDING))).toEqual({});
    expect(duplicates(x, matching(TaskStatus.PENDING))).toEqual({ 1: 0 });
    expect(duplicates(x, matching(TaskStatus.WAITING))).toEqual({});
    expect(duplicates(x, matching(TaskStatus.RUNNING))).toEqual({});
    // The first that has the status, not merely the first.
    expect(duplicates(x, parent, waiting, matching(TaskStatus.WAITING))).toEqual({ 3: 2 });
  });

  it("finds the first of a chain of duplicates", () => {
    const one = { metadata: { x: 1 }, ...same };
    expect(duplicates(one, one, one, { metadata: { x: 2 }, ...same }, one)).toEqual({ 1: 0, 2: 0, 4: 0 });
  });

  it("does not find what is not created because it is a duplicate", () => {
    const [a, b] = [{ metadata: { x: 1, y: 1 } }, { metadata: { x: 1, y: 2 }, ...same }];
    expect(duplicates(a, b, { metadata: { x: 3, y: 2 }, dedupe: [{ fields: ["y"] }] })).toEqual({ 1: 0 });
  });

  it.each<[name: string, one: unknown, other: unknown, equal: boolean]>([
    ["null and null", null, null, true],
    ["null and 0", null, 0, false],
    ["1 and 1", 1, 1, true],
    ['1 and "1"', 1, "1", false],
    ['true and "true"', true, "true", false],
    ["0 and false", 0, false, false],
    ["an empty object and an empty list", {}, [], false],
    ["an empty list and an empty text", [], "", false],
    ["members in another order", { a: 1, b: { c: [1], d: 2 } }, { b: { d: 2, c: [1] }, a: 1 }, true],
    ["members in another order inside a list", [{ a: 1, b: 2 }], [{ b: 2, a: 1 }], true],
    ["members with other names", { a: 1 }, { b: 1 }, false],
    ["one member more", { a: 1 }, { a: 1, b: null }, false],
    ["a list in another order", [1, 2], [2, 1], false],
    ["a list in a list", [[1], 2], [1, [2]], false],
    ["an object and a list that says the same", { a: 1 }, [["a", 1]], false],
    ["an object and the list by which it might be compared", { a: 1 }, [["a", 1, "member"]], false],
  ])("compares values: %s", (_, one, other, equal) => {
    expect(duplicates({ metadata: { x: one } }, { metadata: { x: other }, ...same })).toEqual(equal ? { 1: 0 } : {});
  });

  it("compares the values of all fields, each with its own", () => {
    const both = { dedupe: [{ fields: ["x", "y"] }] };
    expect(duplicates({ metadata: { x: 1, y: 2 } }, { metadata: { y: 2, x: 1 }, ...both })).toEqual({ 1: 0 });
    expect(duplicates({ metadata: { x: 1, y: 2 } }, { metadata: { x: 2, y: 1 }, ...both })).toEqual({});
    expect(duplicates({ metadata: { x: 1 } }, { metadata: { x: 1, y: 1 }, ...both })).toEqual({});
  });

  it("finds any task of the kind by a matcher without fields", () => {
    expect(duplicates({ metadata: { x: 1 } }, { dedupe: [{ fields: [] }] })).toEqual({ 1: 0 });
    expect(duplicates({ kind: "other" }, { dedupe: [{ fields: [] }] })).toEqual({});
  });

  it("takes the first matcher that finds anything, and what exists before what the request has", () => {
    const tasks = [
      task({ metadata: { x: 1, y: 1 } }),
      task({ metadata: { x: 1, y: 1 }, dedupe: [{ fields: ["z"] }, {}, { fields: ["y"] }] }),
    ];
    const exists = (by: number) => (_: number, matcher: number) =>
      matcher === by ? { id: 7n, status: TaskStatus.RUNNING } : undefined;
    const [second, third] = [findDuplicates(tasks, exists(1)), findDuplicates(tasks, exists(2))];
    expect(second.get(1)).toEqual({ case: "existing", id: 7n, status: TaskStatus.RUNNING });
    expect(third.get(1)).toEqual({ case: "earlier", place: 0 });
  });

  it("does not look for what a matcher without its fields would find", () => {
    const tasks = [task({ metadata: { y: 1 }, ...same })];
    expect(findDuplicates(tasks, () => ({ id: 7n, status: TaskStatus.RUNNING })).size).toBe(0);
  });
});

describe("withoutDuplicates", () => {
  const found = (...tasks: TaskInit[]) => {
    const all = tasks.map(task);
    return withoutDuplicates(all, findDuplicates(all, nothing), new Map());
  };
  const one = { metadata: { x: 1 }, ...same };

  it("keeps the order and the places of what remains", () => {
    const { places, tasks } = found({ key: "p" }, { key: "a", ...one }, { key: "b", ...one }, { key: "c" });
    expect(places).toEqual([0, 1, 3]);
    expect(tasks.map(({ key }) => key)).toEqual(["p", "a", "c"]);
  });

  it("leads the edges onto a duplicate to what it repeats, by its place among those that remain", () => {
    const duplicatesFirst = [
      { key: "p", ...one },
      { key: "d", ...one },
      { key: "a", metadata: { x: 2 } },
    ];
    const { tasks } = found(
      ...duplicatesFirst,
      { key: "b", metadata: { x: 2 }, ...same },
      { key: "c", dependencies: edges("b", "d") },
    );
    expect(tasks[2]?.dependencies).toEqual([
      { place: 1, condition: SUCCESS },
      { place: 0, condition: SUCCESS },
    ]);
    expect(checkGraph(tasks, new Map()).inner.of(2)).toEqual([
      { place: 1, condition: SUCCESS },
      { place: 0, condition: SUCCESS },
    ]);
  });

  it("leads them to an existing task by its id", () => {
    const all = [task({ key: "a", ...one }), task({ key: "b", dependencies: edges("a") })];
    const { tasks } = withoutDuplicates(
      all,
      findDuplicates(all, () => ({ id: 7n, status: TaskStatus.RUNNING })),
      new Map(),
    );
    expect(tasks.map(({ dependencies }) => dependencies)).toEqual([[{ taskId: 7n, condition: SUCCESS }]]);
  });

  it("makes one edge of two that lead to the same task then, the one that asks for more", () => {
    const onto = (...conditions: number[]) =>
      conditions.map((condition, n): RequestedEdge => ({ key: `${n}`, condition }));
    const combined = (...conditions: number[]) => {
      const all = [
        ...conditions.map((_, n) => task({ key: `${n}`, ...one })),
        task({ key: "child", dependencies: onto(...conditions) }),
      ];
      const { tasks } = withoutDuplicates(all, findDuplicates(all, nothing), new Map());
      return checkGraph(tasks, new Map())
        .inner.of(tasks.length - 1)
        .map(({ condition }) => condition);
    };
    expect(combined(SUCCESS, SUCCESS)).toEqual([SUCCESS]);
    expect(combined(COMPLETED, SUCCESS)).toEqual([SUCCESS]);
    expect(combined(SUCCESS, COMPLETED)).toEqual([SUCCESS]);
    expect(combined(COMPLETED, FAILURE)).toEqual([FAILURE]);
    expect(combined(COMPLETED, COMPLETED, COMPLETED)).toEqual([COMPLETED]);
  });

  it("makes one edge of one by key and one by id that lead to the same existing task", () => {
    const dependencies = [{ taskId: 7n, condition: COMPLETED }, ...edges("a")];
    const all = [task({ key: "a", ...one }), task({ key: "b", dependencies })];
    const { tasks } = withoutDuplicates(
      all,
      findDuplicates(all, () => ({ id: 7n, status: TaskStatus.RUNNING })),
      new Map(),
    );
    expect(checkGraph(tasks, new Map()).late).toEqual([[{ parent: 7n, condition: SUCCESS }]]);
  });

  it("leads edges that meet no duplicate to where they led", () => {
    const known = new Map([["there", 9n]]);
    const all = [{ key: "a", ...one }, one, { key: "b", dependencies: edges("a", "there") }].map(task);
    const { tasks } = withoutDuplicates(all, findDuplicates(all, nothing), known);
    const { inner, late } = checkGraph(tasks, known);
    expect([inner.of(1), late[1]]).toEqual([[{ place: 0, condition: SUCCESS }], [{ parent: 9n, condition: SUCCESS }]]);
  });

  it("makes one edge of one by the key of an existing task and one by a duplicate of that", () => {
    const known = new Map([["there", 7n]]);
    const all = [task({ key: "a", ...one }), task({ key: "b", dependencies: edges("there", "a") })];
    const duplicatesOf = findDuplicates(all, () => ({ id: 7n, status: TaskStatus.RUNNING }));
    const { tasks } = withoutDuplicates(all, duplicatesOf, known);
    expect(checkGraph(tasks, known).late).toEqual([[{ parent: 7n, condition: SUCCESS }]]);
  });
});
