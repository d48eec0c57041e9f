import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NewTask } from "../../src/domain/new-task.ts";
import { PackedTasks } from "../../src/domain/packed-tasks.ts";
import type { RequestedEdge } from "../../src/domain/task-graph.ts";

const few = fc.constantFrom("", "a", 'b"\\', "é\u{1F600}");
const optional = fc.option(few);
const condition = fc.constantFrom(1, 2, 3);
const edge: fc.Arbitrary<RequestedEdge> = fc.oneof(
  fc.record({ key: few, condition }),
  fc.record({ taskId: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), condition }),
);
const retry = fc.record({
  ...{ maxAttempts: fc.constantFrom(1, 2), initialBackoffMs: fc.constant(5), multiplier: fc.constant(2.5) },
  ...{ incrementMs: fc.constant(0), maxBackoffMs: fc.constant(9), jitter: fc.constant(0.1) },
  ...{ causes: fc.constant([1, 2]), nonRetryableCodes: fc.constant(["X"]) },
});
const rule = fc.record({
  ...{ name: few, kind: few, fields: fc.constant(["x"]), type: condition },
  ...{ bound: fc.constantFrom(1n, 2n ** 62n), windowMs: fc.constantFrom(0, 1000) },
});
const matcher = fc.record({ kind: few, statuses: fc.constant([1, 2]), fields: fc.constant(["x"]) });

/** Tasks of few different values, so that some have all of them in common. */
const anyTask: fc.Arbitrary<NewTask> = fc.record({
  ...{
    key: few,
    name: few,
    kind: few,
    execution: condition,
    labels: fc.dictionary(few, few, { noNullPrototype: true }),
    host: few,
  },
  ...{ dependencies: fc.array(edge, { maxLength: 3 }), unmetPolicy: condition, priority: fc.constantFrom(-3, 0, 7) },
  ...{ metadata: optional, input: optional, spec: optional, expectedCount: fc.option(fc.constantFrom(0n, 2n ** 62n)) },
  ...{ startTime: fc.option(fc.constantFrom(0, 2 ** 52)), startTimeoutMs: condition, inactivityTimeoutMs: condition },
  ...{ executionTimeoutMs: fc.option(condition), totalTimeoutMs: fc.option(condition), retry: fc.option(retry) },
  ...{ dedupe: fc.array(matcher, { maxLength: 2 }), onSuccess: condition, onFailure: condition, onCancel: condition },
  ...{ rules: fc.array(rule, { maxLength: 2 }), critical: fc.boolean(), onlyForDependents: fc.boolean() },
  ...{ fairnessKey: few, fairnessWeight: fc.constantFrom(1, 3) },
});
const anyTasks = fc.array(anyTask, { maxLength: 20 });

function bytesOf(tasks: readonly NewTask[]): string {
  const told: Buffer[] = [];
  const packed = new PackedTasks((bytes) => told.push(Buffer.from(bytes as Uint8Array)));
  for (const task of tasks) packed.push(task);
  return Buffer.concat(told).toString("hex");
}

describe("packed tasks", () => {
  it("are told of in the same way, whether they have the very same rules or equal ones, and know their values or not", () => {
    fc.assert(
      fc.property(anyTask, fc.array(fc.tuple(few, fc.boolean(), fc.boolean())), (like, kinds) => {
        const plain = { ...like, labels: {}, retry: null, dedupe: [] };
        const tasks = kinds.map(([kind, isWithout]) => ({ ...plain, kind, rules: isWithout ? [] : like.rules }));
        const others = tasks.map((task, n) => ({
          ...task,
          ...(kinds[n]?.[2] && { rules: task.rules.map((each) => ({ ...each })), ruleValues: "values" }),
        }));
        expect(bytesOf(others)).toBe(bytesOf(tasks));
        expect(PackedTasks.of(others).unpack()).toEqual(tasks);
        expect(PackedTasks.of(others).traits).toEqual(PackedTasks.of(tasks).traits);
      }),
    );
  });

  it("are made again as they were", () => {
    fc.assert(
      fc.property(anyTasks, (tasks) => {
        const packed = PackedTasks.of(tasks);
        expect(packed.unpack()).toEqual(tasks);
        expect(packed.at(tasks.length)).toBeUndefined();
        const { nodes } = packed;
        for (const [place, { key, dependencies }] of tasks.entries()) {
          expect(nodes.at(place)).toEqual({ key, dependencies });
          expect(packed.traits[packed.traitsAt(place)]).toMatchObject({ kind: tasks[place]?.kind });
        }
        const byId = tasks.some((task) => task.dependencies.some(({ taskId }) => taskId !== undefined));
        expect(packed.dependsOnExisting).toBe(byId);
      }),
    );
  });

  it("tell the same bytes of equal tasks, and others of others", () => {
    fc.assert(
      fc.property(anyTasks, anyTasks, (tasks, others) => {
        expect(bytesOf(structuredClone(tasks))).toBe(bytesOf(tasks));
        const areEqual = JSON.stringify(tasks, bigints) === JSON.stringify(others, bigints);
        expect(bytesOf(others) === bytesOf(tasks)).toBe(areEqual);
      }),
    );
  });

  it("keep what tasks have in common once, wherever in the graph they stand", () => {
    const [one] = fc.sample(anyTask, 1) as [NewTask];
    const plain = { ...one, labels: {}, retry: null, dedupe: [] };
    const tasks = [plain, { ...plain, key: "x" }, { ...plain, priority: 99 }, { ...plain, input: "y" }];
    const packed = PackedTasks.of(tasks);
    expect(packed.traits).toHaveLength(2);
    expect(tasks.map((_, place) => packed.traitsAt(place))).toEqual([0, 0, 1, 0]);
  });
});

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}
