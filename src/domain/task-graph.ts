import { type FieldViolation, invalidField, MillpondError } from "./errors.ts";

/** An edge as it was asked for: the parent by key (of the same request or batch), by id (any existing task) or by its place in the request. */
export interface RequestedEdge {
  readonly key?: string;
  readonly taskId?: bigint;
  readonly place?: number;
  readonly condition: number;
}

/** What of a new task the shape of the graph depends on. */
export interface RequestedNode {
  readonly key: string;
  readonly dependencies: readonly RequestedEdge[];
}

/** Nodes by their places in the request; an array is one. What is kept in another form is made into a node when it is asked for. */
export interface NodeList {
  readonly length: number;
  at(place: number): RequestedNode | undefined;
}

/** An edge between two tasks of the request, as one of them has it: the place of the other one. */
export interface InnerEdge {
  readonly place: number;
  readonly condition: number;
}

/** An edge onto a task that exists. */
export interface LateEdge {
  readonly parent: bigint;
  readonly condition: number;
}

const noPlaces = new Uint32Array(0);
const noConditions = new Uint8Array(0);
const noEdges: readonly InnerEdge[] = [];

/** EdgeLists holds a list of edges for each task of a graph, in nine bytes an edge: graphs have a hundred thousand tasks, and an array of objects for each takes ten times as much. */
export class EdgeLists {
  readonly #starts: Uint32Array;
  readonly #places: Uint32Array;
  readonly #conditions: Uint8Array;

  /** `starts`: where the edges of each task begin, and where the last ones end. */
  constructor(starts: Uint32Array, places: Uint32Array, conditions: Uint8Array) {
    this.#starts = starts;
    this.#places = places;
    this.#conditions = conditions;
  }

  /** How many tasks there are. */
  get length(): number {
    return this.#starts.length - 1;
  }

  /** How many edges a task has. */
  count(task: number): number {
    return (this.#starts[task + 1] ?? 0) - (this.#starts[task] ?? 0);
  }

  /** Those of a graph without edges. */
  static none(tasks: number): EdgeLists {
    return new EdgeLists(new Uint32Array(tasks + 1), noPlaces, noConditions);
  }

  /** The edges of a task, in the order in which they were asked for. */
  of(task: number): readonly InnerEdge[] {
    const count = this.count(task);
    if (count === 0) return noEdges;
    const edges = new Array<InnerEdge>(count);
    const start = this.#starts[task] ?? 0;
    for (let n = 0; n < edges.length; n += 1) edges[n] = this.#edge(start + n);
    return edges;
  }

  /** The same edges, as the tasks at their other ends have them; in the order of these tasks. */
  reversed(): EdgeLists {
    const starts = new Uint32Array(this.length + 1);
    for (const place of this.#places) starts[place + 1] = (starts[place + 1] ?? 0) + 1;
    for (let task = 0; task < this.length; task += 1) starts[task + 1] = (starts[task + 1] ?? 0) + (starts[task] ?? 0);
    const next = starts.slice();
    const [places, conditions] = [new Uint32Array(this.#places.length), new Uint8Array(this.#places.length)];
    for (let task = 0; task < this.length; task += 1) {
      for (let n = this.#starts[task] ?? 0; n < (this.#starts[task + 1] ?? 0); n += 1) {
        const { place, condition } = this.#edge(n);
        const to = next[place] as number;
        next[place] = to + 1;
        places[to] = task;
        conditions[to] = condition;
      }
    }
    return new EdgeLists(starts, places, conditions);
  }

  #edge(n: number): InnerEdge {
    return { place: this.#places[n] as number, condition: this.#conditions[n] as number };
  }
}

/** A graph that has been checked: places in the request in an order in which parents stand before children, and edges by kind. */
export interface TaskGraph {
  readonly order: Uint32Array;
  /** For each task its parents among the tasks of the request. */
  readonly inner: EdgeLists;
  /** For each task its parents that exist; of a graph without edges, nothing. */
  readonly late: readonly (readonly LateEdge[])[];
  /** For each task its children. */
  readonly children: EdgeLists;
}

/** The keys that a request refers to but does not define: they may be tasks of the open batch that it grows. */
export function foreignKeys(nodes: readonly RequestedNode[]): string[] {
  const own = new Set(nodes.map((node) => node.key));
  const foreign = new Set<string>();
  for (const node of nodes) {
    for (const edge of node.dependencies) if (edge.key !== undefined && !own.has(edge.key)) foreign.add(edge.key);
  }
  return [...foreign];
}

/**
 * Checks a graph and puts it in order. Refuses duplicate keys (DUPLICATE_KEY), unknown ones (UNKNOWN_DEPENDENCY), edges onto
 * itself and cycles (GRAPH_HAS_CYCLE), and two edges onto the same parent (INVALID_FIELD).
 * `known`: keys of tasks that exist in the batch, with their ids. `request`: the place of each node in the request, where that has more.
 */
export function checkGraph(
  nodes: NodeList,
  known: ReadonlyMap<string, bigint>,
  request?: readonly number[],
): TaskGraph {
  const places = placesByKey(nodes, known);
  if (hasNoEdges(nodes)) {
    const none = EdgeLists.none(nodes.length);
    return {
      order: Uint32Array.from({ length: nodes.length }, (_, place) => place),
      inner: none,
      late: [],
      children: none,
    };
  }
  const starts = new Uint32Array(nodes.length + 1);
  const found: FoundEdges = { parents: [], conditions: [], child: -1, seenBy: new Int32Array(nodes.length).fill(-1) };
  const late: (readonly LateEdge[])[] = [];
  for (let child = 0; child < nodes.length; child += 1) {
    const field = `tasks[${request?.[child] ?? child}]`;
    found.child = child;
    late.push(addEdges(found, { node: nodes.at(child) as RequestedNode, places, known, field }));
    starts[child + 1] = found.parents.length;
  }
  const inner = new EdgeLists(starts, new Uint32Array(found.parents), new Uint8Array(found.conditions));
  const children = inner.reversed();
  return { order: topologicalOrder({ nodes, inner, children, request }), inner, late, children };
}

/** Most requests create tasks that do not depend on each other: nothing has to be put in order. */
function hasNoEdges(nodes: NodeList): boolean {
  for (let place = 0; place < nodes.length; place += 1)
    if ((nodes.at(place) as RequestedNode).dependencies.length > 0) return false;
  return true;
}

function placesByKey(nodes: NodeList, known: ReadonlyMap<string, bigint>): Map<string, number> {
  const places = new Map<string, number>();
  for (let place = 0; place < nodes.length; place += 1) {
    const { key } = nodes.at(place) as RequestedNode;
    if (key === "") continue;
    const first = places.get(key);
    if (first !== undefined || known.has(key)) {
      const where = first === undefined ? "the batch" : `tasks[${first}]`;
      const description = `"${key}" is the key of ${where} already`;
      throw new MillpondError("DUPLICATE_KEY", `tasks[${place}].key: ${description}; keys are unique in a batch`, {
        metadata: { key },
        violations: [{ field: `tasks[${place}].key`, description }],
      });
    }
    places.set(key, place);
  }
  return places;
}

/** The inner edges of the tasks so far, one after the other. */
interface FoundEdges {
  readonly parents: number[];
  readonly conditions: number[];
  /** The task whose edges are being added. */
  child: number;
  /** For each task the last one that was seen to depend on it. */
  readonly seenBy: Int32Array;
}

interface EdgesInput {
  readonly node: RequestedNode;
  readonly places: ReadonlyMap<string, number>;
  readonly known: ReadonlyMap<string, bigint>;
  readonly field: string;
}

const noLateEdges: readonly LateEdge[] = [];

/** Adds the inner edges of a task, and answers the others. */
function addEdges(found: FoundEdges, { node, places, known, field: own }: EdgesInput): readonly LateEdge[] {
  const { child, seenBy } = found;
  // Most tasks have none: nothing is made for them.
  let late: LateEdge[] | undefined;
  let seen: Set<bigint> | undefined;
  for (const [n, edge] of node.dependencies.entries()) {
    const place = edge.key === undefined ? edge.place : places.get(edge.key);
    const parent = place ?? (edge.key === undefined ? edge.taskId : known.get(edge.key));
    if (parent === undefined) throw unknownDependency(`${own}.dependencies[${n}]`, edge.key ?? "");
    if (parent === child) {
      const violation = { field: `${own}.dependencies[${n}].key`, description: `"${node.key}" depends on itself` };
      throw cycleError(`${node.key} -> ${node.key}`, violation);
    }
    if (typeof parent === "number" ? seenBy[parent] === child : seen?.has(parent))
      throw invalidField(
        `${own}.dependencies[${n}]`,
        `names the same parent as an earlier dependency of the task; give each parent once`,
      );
    if (typeof parent === "number") {
      seenBy[parent] = child;
      found.parents.push(parent);
      found.conditions.push(edge.condition);
    } else {
      seen = (seen ?? new Set()).add(parent);
      late ??= [];
      late.push({ parent, condition: edge.condition });
    }
  }
  return late ?? noLateEdges;
}

function unknownDependency(field: string, key: string): MillpondError {
  return new MillpondError(
    "UNKNOWN_DEPENDENCY",
    `${field}.key: no task of the request or the batch has the key "${key}"; add it, or name an existing task by task_id`,
    {
      metadata: { dependency: key },
      violations: [{ field: `${field}.key`, description: `no task has the key "${key}"` }],
    },
  );
}

function cycleError(cycle: string, violation: FieldViolation): MillpondError {
  return new MillpondError("GRAPH_HAS_CYCLE", `the dependencies form a cycle: ${cycle}`, {
    metadata: { cycle },
    violations: [violation],
  });
}

interface OrderInput {
  readonly nodes: NodeList;
  readonly inner: EdgeLists;
  readonly children: EdgeLists;
  readonly request: readonly number[] | undefined;
}

/** Kahn's algorithm (Kahn 1962), first come first served, so that the order of the request is kept where it can be. */
function topologicalOrder(input: OrderInput): Uint32Array {
  const { nodes, inner, children } = input;
  const left = new Uint32Array(nodes.length);
  const order = new Uint32Array(nodes.length);
  let size = 0;
  for (let place = 0; place < nodes.length; place += 1) {
    left[place] = inner.count(place);
    if (left[place] === 0) order[size++] = place;
  }
  for (let next = 0; next < size; next += 1) {
    for (const { place: child } of children.of(order[next] as number)) {
      left[child] = (left[child] ?? 0) - 1;
      if (left[child] === 0) order[size++] = child;
    }
  }
  if (size < nodes.length) throw findCycle(input, left);
  return order;
}

/** Walks from a task that is left over to its left-over parents until one comes again: that is a cycle. */
function findCycle({ nodes, inner, request }: OrderInput, left: Uint32Array): MillpondError {
  const path: number[] = [];
  const seen = new Set<number>();
  let place = left.findIndex((count) => count > 0);
  while (!seen.has(place)) {
    path.push(place);
    seen.add(place);
    place = inner.of(place).find((edge) => (left[edge.place] ?? 0) > 0)?.place ?? place;
  }
  const cycle = [...path.slice(path.indexOf(place)), place].reverse();
  const names = cycle.length > 12 ? [...cycle.slice(0, 6), -1, ...cycle.slice(-5)] : cycle;
  const text = names.map((each) => (each === -1 ? "…" : nodes.at(each)?.key)).join(" -> ");
  const field = `tasks[${request?.[place] ?? place}].dependencies`;
  return cycleError(text, { field, description: `part of the cycle ${text}` });
}
