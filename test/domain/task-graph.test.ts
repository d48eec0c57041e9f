import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { checkGraph, foreignKeys, type RequestedNode } from "../../src/domain/task-graph.ts";

const node = (key: string, ...parents: string[]): RequestedNode => ({
  key,
  dependencies: parents.map((parent) => ({ key: parent, condition: 1 })),
});
const none = new Map<string, bigint>();

function refusal(nodes: readonly RequestedNode[], known: ReadonlyMap<string, bigint> = none): MillpondError {
  try {
    checkGraph(nodes, known);
  } catch (error) {
    if (error instanceof MillpondError) return error;
    throw error;
  }
  throw new Error("the graph was taken");
}

/** A graph without cycles, its nodes in any order of listing. */
const anyDag = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 30 }).chain((parents) => {
  const nodes = parents.map((picks, n) =>
    node(`t${n}`, ...new Set(n === 0 ? [] : picks.map((pick) => `t${pick % n}`))),
  );
  return fc.shuffledSubarray(nodes, { minLength: nodes.length });
});

describe("a graph", () => {
  test("without cycles is taken in any order of listing, parents before children, each edge both ways", () => {
    fc.assert(
      fc.property(anyDag, (nodes) => {
        const { order, inner, children, late } = checkGraph(nodes, none);
        expect([...order].sort((a, b) => a - b)).toEqual(nodes.map((_, n) => n));
        const rank = new Map([...order].map((place, n) => [place, n]));
        const down = new Set(
          nodes.flatMap((_, parent) => children.of(parent).map(({ place }) => `${parent} ${place}`)),
        );
        let edges = 0;
        for (const child of nodes.keys()) {
          const parents = inner.of(child);
          expect(parents.map(({ place: parent }) => nodes[parent]?.key)).toEqual(
            nodes[child]?.dependencies.map(({ key }) => key),
          );
          for (const { place: parent } of parents) {
            edges += 1;
            expect(rank.get(parent)).toBeLessThan(rank.get(child) ?? -1);
            expect(down.has(`${parent} ${child}`)).toBe(true);
          }
        }
        expect(down.size).toBe(edges);
        expect(late.flat()).toEqual([]);
      }),
    );
  });

  test("with an edge that closes a cycle is refused, and the cycle shown is one", () => {
    fc.assert(
      fc.property(anyDag, fc.nat(), (nodes, pick) => {
        const { inner } = checkGraph(nodes, none);
        const child = pick % nodes.length;
        // An edge from a descendant of a task (or from itself) back to it closes a cycle.
        const ancestors = [child];
        for (const place of ancestors)
          ancestors.push(
            ...inner
              .of(place)
              .map((edge) => edge.place)
              .filter((parent) => !ancestors.includes(parent)),
          );
        const top = ancestors.at(-1) ?? child;
        const closed = nodes.map((each, n) =>
          n === top
            ? { ...each, dependencies: [...each.dependencies, { key: nodes[child]?.key ?? "", condition: 1 }] }
            : each,
        );
        const { reason, metadata } = refusal(closed);
        expect(reason).toBe("GRAPH_HAS_CYCLE");
        const path = (metadata.cycle ?? "").split(" -> ");
        expect(path.length).toBeGreaterThan(1);
        expect(path[0]).toBe(path.at(-1));
        if (path.includes("…")) return;
        const parentsOf = new Map(closed.map((each) => [each.key, each.dependencies.map(({ key }) => key)]));
        for (const [n, key] of path.slice(1).entries()) expect(parentsOf.get(key)).toContain(path[n]);
      }),
    );
  });

  test("may have tasks without keys, which nothing can depend on", () => {
    const { order } = checkGraph([node("", "a"), node(""), node("a")], none);
    expect(order.indexOf(2)).toBeLessThan(order.indexOf(0));
    expect(refusal([node("x", "")])).toMatchObject({ reason: "UNKNOWN_DEPENDENCY" });
  });

  test("of ten thousand tasks in a line, listed backwards, is put in order", () => {
    const nodes = Array.from({ length: 10_000 }, (_, n) => node(`t${n}`, ...(n === 9_999 ? [] : [`t${n + 1}`])));
    expect(checkGraph(nodes, none).order[0]).toBe(9_999);
  });
});

describe("keys", () => {
  test("of the request come before those of the batch, which come before nothing", () => {
    const known = new Map([["old", 7n]]);
    const { late, inner } = checkGraph([node("a", "old", "b"), node("b")], known);
    expect(late[0]).toEqual([{ parent: 7n, condition: 1 }]);
    expect(inner.of(0)).toEqual([{ place: 1, condition: 1 }]);
    expect(refusal([node("a", "nobody")], known)).toMatchObject({
      reason: "UNKNOWN_DEPENDENCY",
      metadata: { dependency: "nobody" },
    });
  });

  test("that are taken, in the request or in the batch, are refused", () => {
    expect(refusal([node("a"), node("b"), node("a")])).toMatchObject({
      reason: "DUPLICATE_KEY",
      metadata: { key: "a" },
    });
    expect(refusal([node("old")], new Map([["old", 7n]]))).toMatchObject({
      reason: "DUPLICATE_KEY",
      metadata: { key: "old" },
    });
  });

  test("and ids that name the same parent twice are refused", () => {
    expect(refusal([node("a"), node("b", "a", "a")]).violations[0]?.field).toBe("tasks[1].dependencies[1]");
    const both = {
      key: "c",
      dependencies: [
        { key: "old", condition: 1 },
        { taskId: 7n, condition: 2 },
      ],
    };
    expect(refusal([both], new Map([["old", 7n]])).violations[0]?.field).toBe("tasks[0].dependencies[1]");
  });

  test("that the request does not define are foreign, each once", () => {
    expect(foreignKeys([node("a", "x", "b"), node("b", "x", "y")])).toEqual(["x", "y"]);
  });
});
