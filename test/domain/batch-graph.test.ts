import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BatchGraph, computeBatchGraph, type GraphTask } from "../../src/domain/batch-graph.ts";
import { markLineage, placeOf, positionAfter } from "../../src/domain/graph-lookup.ts";
import { Execution, TaskStatus } from "../../src/domain/task-status.ts";

/** A task that ended after it had run for some time; ids are places + 1. */
function ended(id: number, ran: number, ...parents: number[]): GraphTask {
  return {
    ...{ id: BigInt(id), queue: 1, status: TaskStatus.SUCCESS, execution: Execution.WORKER, ran },
    ...{ parents: parents.length === 0 ? null : parents.map(BigInt), parentConditions: null },
  };
}

/** A task of a kind that has not ended. */
function waiting(id: number, queue: number, ...parents: number[]): GraphTask {
  return { ...ended(id, 0, ...parents), queue, status: TaskStatus.WAITING, ran: null };
}

const compute = (tasks: readonly GraphTask[]): BatchGraph => computeBatchGraph(tasks, (queue) => `kind ${queue % 10}`);
const pathOf = (graph: BatchGraph): number[] => Array.from(graph.criticalPath, (place) => Number(graph.ids[place]));
const idsByLevel = (graph: BatchGraph): number[] => Array.from(graph.byLevel, (place) => Number(graph.ids[place]));

describe("the graph of a batch", () => {
  test("that has no tasks is empty", () => {
    const graph = compute([]);
    expect([graph.size, graph.levelCount, graph.criticalPathDuration, pathOf(graph)]).toEqual([0, 0, 0, []]);
  });

  test("has the longer side of a diamond as its critical path, and slack on the other", () => {
    const graph = compute([ended(1, 5), ended(2, 30, 1), ended(3, 10, 1), ended(4, 7, 2, 3), ended(5, 1)]);
    expect([...graph.levels]).toEqual([0, 1, 1, 2, 0]);
    expect(graph.levelCount).toBe(3);
    expect(idsByLevel(graph)).toEqual([1, 5, 2, 3, 4]);
    expect(pathOf(graph)).toEqual([1, 2, 4]);
    expect(graph.criticalPathDuration).toBe(42);
    expect([...graph.slacks]).toEqual([0, 0, 20, 0, 41]);
    expect([...graph.critical]).toEqual([1, 1, 0, 1, 0]);
  });

  test("takes the lowest ids where ways are equally long, and the most tasks before that", () => {
    const equal = compute([ended(1, 5), ended(2, 5), ended(3, 5, 1, 2), ended(4, 5, 1, 2)]);
    expect(pathOf(equal)).toEqual([1, 3]);
    expect([...equal.slacks]).toEqual([0, 0, 0, 0]);
    expect([...equal.critical]).toEqual([1, 0, 1, 0]);
    const withJoins = compute([ended(1, 10), ended(2, 0), ended(3, 0, 1), ended(4, 0, 3), ended(5, 10, 2)]);
    expect(pathOf(withJoins)).toEqual([1, 3, 4]);
    expect(pathOf(compute([waiting(1, 1), waiting(2, 1), waiting(3, 1, 2)]))).toEqual([2, 3]);
  });

  test("takes recorded times of what has ended, medians of the kind for what has not, and what runs for at least as long as it does", () => {
    const join = { execution: Execution.JOIN };
    const graph = compute([
      ...[ended(1, 10), ended(2, 20), ended(3, 33)],
      // The same kind in another queue.
      { ...ended(4, 40), queue: 11, status: TaskStatus.FAILURE },
      { ...ended(5, 0), ran: null, status: TaskStatus.CANCELED },
      { ...ended(6, 0), ran: null, status: TaskStatus.SKIPPED },
      { ...ended(7, -3), queue: 2 },
      waiting(8, 1),
      waiting(9, 2),
      waiting(10, 3),
      { ...waiting(11, 1), status: TaskStatus.RUNNING, ran: 500 },
      { ...waiting(12, 1), status: TaskStatus.RUNNING, ran: 1 },
      { ...waiting(13, 1), status: TaskStatus.CLAIMED },
      { ...waiting(14, 1), ...join },
      { ...ended(15, 9), ...join },
    ]);
    expect([...graph.durations]).toEqual([10, 20, 33, 40, 0, 0, 0, 26, 0, 0, 500, 26, 26, 0, 0]);
    expect([...graph.estimated]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0]);
    const odd = compute([ended(1, 10), ended(2, 70), ended(3, 20), waiting(4, 1)]);
    expect(odd.durations[3]).toBe(20);
  });

  test("keeps edges onto tasks of other batches, which count for nothing", () => {
    const graph = compute([ended(2, 5, 1), { ...ended(3, 5, 2, 1), parentConditions: [1, 3] }]);
    expect([...graph.levels]).toEqual([0, 1]);
    expect([...graph.firstEdge]).toEqual([0, 1, 3]);
    expect([...graph.parentIds]).toEqual([1n, 2n, 1n]);
    expect([...graph.parents]).toEqual([-1, 0, -1]);
    expect([...graph.conditions]).toEqual([1, 1, 3]);
    expect(pathOf(graph)).toEqual([2, 3]);
  });

  test("is computed of a chain of 100,000 tasks, and of a fan of as many", () => {
    const count = 100_000;
    const places = Array.from({ length: count }, (_, n) => n + 1);
    const chain = compute(places.map((id) => (id === 1 ? ended(1, 3) : ended(id, 3, id - 1))));
    expect([chain.levelCount, chain.criticalPathDuration, pathOf(chain).length]).toEqual([count, 3 * count, count]);
    expect(chain.slacks.every((slack) => slack === 0)).toBe(true);
    const ways = { upstream: true, downstream: false };
    expect(markLineage(chain, count - 1, ways).every((mark) => mark === 1)).toBe(true);
    const fan = compute([...places.map((id) => ended(id, id)), ended(count + 1, 1, ...places)]);
    expect(pathOf(fan)).toEqual([count, count + 1]);
    expect([fan.levelCount, fan.slacks[0]]).toEqual([2, count - 1]);
  });

  test("that has a cycle is a defect that is said", () => {
    expect(() => compute([ended(1, 1, 2), ended(2, 1, 1)])).toThrow("cycle");
  });
});

interface Model {
  readonly tasks: readonly GraphTask[];
  /** For each place the places of its parents in the batch. */
  readonly parents: readonly (readonly number[])[];
}

/** Any graph without cycles: ids do not say which of two tasks comes first. */
const anyGraph: fc.Arbitrary<Model> = fc
  .array(fc.record({ ran: fc.nat(3), picks: fc.array(fc.nat(), { maxLength: 3 }), foreign: fc.boolean() }), {
    minLength: 1,
    maxLength: 9,
  })
  .chain((drawn) => {
    const places = drawn.map((_, n) => n);
    return fc.shuffledSubarray(places, { minLength: places.length }).map((shuffled) => {
      const parents: number[][] = places.map(() => []);
      const tasks: GraphTask[] = [];
      for (const [n, { ran, picks, foreign }] of drawn.entries()) {
        const place = shuffled[n] as number;
        parents[place] = n === 0 ? [] : [...new Set(picks.map((pick) => shuffled[pick % n] as number))];
        const ids = parents[place].map((parent) => parent + 1);
        tasks[place] = ended(place + 1, ran, ...ids, ...(foreign ? [1000] : []));
      }
      return { tasks, parents };
    });
  });

/** All ways that begin at a task without parents, each with its end last. */
function waysTo(model: Model, place: number): number[][] {
  const parents = model.parents[place] ?? [];
  if (parents.length === 0) return [[place]];
  return parents.flatMap((parent) => waysTo(model, parent).map((way) => [...way, place]));
}

const sumOf = (model: Model, way: readonly number[]): number =>
  way.reduce((sum, place) => sum + (model.tasks[place]?.ran ?? 0), 0);

/** By duration, by number of tasks, by ids from the end. */
function compareWays(model: Model, a: readonly number[], b: readonly number[]): number {
  const bySize = sumOf(model, b) - sumOf(model, a) || b.length - a.length;
  if (bySize !== 0) return bySize;
  for (let n = a.length - 1; n >= 0; n -= 1) if (a[n] !== b[n]) return (a[n] ?? 0) - (b[n] ?? 0);
  return 0;
}

function above(model: Model, place: number): Set<number> {
  return new Set(waysTo(model, place).flat());
}

test("levels, slack, critical path and lineage are those of a model that looks at every way through the graph", () => {
  fc.assert(
    fc.property(anyGraph, (model) => {
      const graph = compute(model.tasks);
      const places = model.tasks.map((_, place) => place);
      const ways = places.map((place) => waysTo(model, place));
      expect([...graph.levels]).toEqual(ways.map((all) => Math.max(...all.map((way) => way.length - 1))));
      const all = ways.flat().sort((a, b) => compareWays(model, a, b));
      const longest = all[0] ?? [];
      expect([...graph.criticalPath]).toEqual(longest);
      expect(graph.criticalPathDuration).toBe(sumOf(model, longest));
      const through = places.map((place) =>
        Math.max(...all.filter((way) => way.includes(place)).map((way) => sumOf(model, way))),
      );
      expect([...graph.slacks]).toEqual(through.map((sum) => sumOf(model, longest) - sum));
      expect([...graph.critical]).toEqual(places.map((place) => (longest.includes(place) ? 1 : 0)));
      const rank = new Map([...graph.order].map((place, n) => [place, n]));
      for (const [child, parents] of model.parents.entries())
        for (const parent of parents) expect(rank.get(parent)).toBeLessThan(rank.get(child) ?? -1);
      for (const place of places) {
        const up = above(model, place);
        const down = new Set(places.filter((other) => above(model, other).has(place)));
        const marked = (upstream: boolean, downstream: boolean) =>
          places.filter((other) => markLineage(graph, place, { upstream, downstream })[other] === 1);
        expect(marked(true, false)).toEqual(places.filter((other) => up.has(other)));
        expect(marked(false, true)).toEqual(places.filter((other) => down.has(other)));
        expect(marked(true, true)).toEqual(places.filter((other) => up.has(other) || down.has(other)));
      }
    }),
  );
});

test("a walk goes on behind the task at which it stopped, also where that is gone", () => {
  fc.assert(
    fc.property(anyGraph, (model) => {
      const graph = compute(model.tasks);
      for (const [n, place] of graph.byLevel.entries()) {
        const [level, id] = [graph.levels[place] as number, graph.ids[place] as bigint];
        expect(positionAfter(graph, { level, id })).toBe(n + 1);
        expect(placeOf(graph, id)).toBe(place);
      }
      expect(positionAfter(graph, { level: 0, id: 0n })).toBe(0);
      expect(positionAfter(graph, { level: graph.levelCount, id: 5n })).toBe(graph.size);
      expect(placeOf(graph, 0n)).toBeUndefined();
      expect(placeOf(graph, 1000n)).toBeUndefined();
    }),
  );
});
