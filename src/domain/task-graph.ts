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

/** An edge between two tasks of the request, by their places in it. */
export interface InnerEdge {
  readonly parent: number;
  readonly condition: number;
}

/** An edge onto a task that exists. */
export interface LateEdge {
  readonly parent: bigint;
  readonly condition: number;
}

/** A graph that has been checked: places in the request in an order in which parents stand before children, and edges by kind. */
export interface TaskGraph {
  readonly order: readonly number[];
  readonly inner: readonly (readonly InnerEdge[])[];
  readonly late: readonly (readonly LateEdge[])[];
  /** For each task the places of its children, and the conditions of their edges. */
  readonly children: readonly (readonly { readonly child: number; readonly condition: number }[])[];
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
  nodes: readonly RequestedNode[],
  known: ReadonlyMap<string, bigint>,
  request: readonly number[] = nodes.map((_, place) => place),
): TaskGraph {
  const places = placesByKey(nodes, known);
  const inner: InnerEdge[][] = [];
  const late: LateEdge[][] = [];
  const children: { child: number; condition: number }[][] = nodes.map(() => []);
  for (const [child, node] of nodes.entries()) {
    const edges = edgesOf({ node, child, places, known, field: `tasks[${request[child]}]` });
    inner.push(edges.inner);
    late.push(edges.late);
    for (const edge of edges.inner) children[edge.parent]?.push({ child, condition: edge.condition });
  }
  return { order: topologicalOrder({ nodes, inner, children, request }), inner, late, children };
}

function placesByKey(nodes: readonly RequestedNode[], known: ReadonlyMap<string, bigint>): Map<string, number> {
  const places = new Map<string, number>();
  for (const [place, node] of nodes.entries()) {
    if (node.key === "") continue;
    const first = places.get(node.key);
    if (first !== undefined || known.has(node.key)) {
      const where = first === undefined ? "the batch" : `tasks[${first}]`;
      throw new MillpondError(
        "DUPLICATE_KEY",
        `tasks[${place}].key: "${node.key}" is the key of ${where} already; keys are unique in a batch`,
        {
          metadata: { key: node.key },
          violations: [{ field: `tasks[${place}].key`, description: `"${node.key}" is the key of ${where} already` }],
        },
      );
    }
    places.set(node.key, place);
  }
  return places;
}

interface EdgesInput {
  readonly node: RequestedNode;
  readonly child: number;
  readonly places: ReadonlyMap<string, number>;
  readonly known: ReadonlyMap<string, bigint>;
  readonly field: string;
}

function edgesOf({ node, child, places, known, field: own }: EdgesInput): { inner: InnerEdge[]; late: LateEdge[] } {
  const inner: InnerEdge[] = [];
  const late: LateEdge[] = [];
  const seen = new Set<number | bigint>();
  for (const [n, edge] of node.dependencies.entries()) {
    const field = `${own}.dependencies[${n}]`;
    const place = edge.key === undefined ? edge.place : places.get(edge.key);
    const parent = place ?? (edge.key === undefined ? edge.taskId : known.get(edge.key));
    if (parent === undefined) throw unknownDependency(field, edge.key ?? "");
    if (parent === child) {
      const cycle = `${node.key} -> ${node.key}`;
      throw cycleError(cycle, { field: `${field}.key`, description: `"${node.key}" depends on itself` });
    }
    if (seen.has(parent))
      throw invalidField(field, `names the same parent as an earlier dependency of the task; give each parent once`);
    seen.add(parent);
    if (typeof parent === "number") inner.push({ parent, condition: edge.condition });
    else late.push({ parent, condition: edge.condition });
  }
  return { inner, late };
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
  readonly nodes: readonly RequestedNode[];
  readonly inner: readonly (readonly InnerEdge[])[];
  readonly children: readonly (readonly { readonly child: number }[])[];
  readonly request: readonly number[];
}

/** Kahn's algorithm (Kahn 1962), first come first served, so that the order of the request is kept where it can be. */
function topologicalOrder(input: OrderInput): number[] {
  const { nodes, inner, children } = input;
  const left = inner.map((edges) => edges.length);
  const order: number[] = [];
  for (const [place, count] of left.entries()) if (count === 0) order.push(place);
  for (let next = 0; next < order.length; next += 1) {
    for (const { child } of children[order[next] as number] ?? []) {
      left[child] = (left[child] ?? 0) - 1;
      if (left[child] === 0) order.push(child);
    }
  }
  if (order.length < nodes.length) throw findCycle(input, left);
  return order;
}

/** Walks from a task that is left over to its left-over parents until one comes again: that is a cycle. */
function findCycle({ nodes, inner, request }: OrderInput, left: readonly number[]): MillpondError {
  const path: number[] = [];
  let place = left.findIndex((count) => count > 0);
  while (!path.includes(place)) {
    path.push(place);
    place = inner[place]?.find((edge) => (left[edge.parent] ?? 0) > 0)?.parent ?? place;
  }
  const cycle = [...path.slice(path.indexOf(place)), place].reverse();
  const names = cycle.length > 12 ? [...cycle.slice(0, 6), -1, ...cycle.slice(-5)] : cycle;
  const text = names.map((each) => (each === -1 ? "…" : nodes[each]?.key)).join(" -> ");
  return cycleError(text, { field: `tasks[${request[place]}].dependencies`, description: `part of the cycle ${text}` });
}
