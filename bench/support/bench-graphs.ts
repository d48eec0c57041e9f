import { createGraph, type TaskGraph, type TaskOptions } from "@millpond/sdk";

/** payload is about as much as tasks of recorded workflows carry. */
export const payload = {
  metadata: { project: "genomes", sample: "s-123456", step: "align", owner: "x".repeat(90) },
  input: { file: "y".repeat(110), n: 7 },
};

/** layeredGraph is a graph in layers of equal size, each task with two parents of the layer before. */
export function layeredGraph(shape: {
  readonly tasks: number;
  readonly layers: number;
  readonly kind: string;
}): TaskGraph {
  const graph = createGraph({ name: "layers" });
  const width = Math.ceil(shape.tasks / shape.layers);
  for (let n = 0; n < shape.tasks; n++) {
    const parents = layeredParents(n, width).map((place) => `t${place}`);
    graph.task(`t${n}`, { kind: shape.kind, after: parents, ...payload });
  }
  return graph;
}

/** layeredParents are the places of the two parents of a task in a graph of layers; none in the first layer. */
export function layeredParents(place: number, width: number): number[] {
  const layer = Math.floor(place / width);
  if (layer === 0) return [];
  const before = (layer - 1) * width;
  const within = place % width;
  return width === 1 ? [before] : [before + within, before + ((within * 7 + 1) % width)].filter(distinct);
}

/** plainGraph is a graph of tasks that do not depend on each other; `payload` gives them metadata and input. */
export function plainGraph(shape: {
  readonly tasks: number;
  readonly kind: string;
  readonly payload: "usual" | "small";
}): TaskGraph {
  const graph = createGraph({ name: "independent" });
  for (let n = 0; n < shape.tasks; n++) {
    graph.task(`t${n}`, { kind: shape.kind, ...(shape.payload === "usual" ? payload : { input: { n } }) });
  }
  return graph;
}

/** tenants is how many values the field `tenant` has in a {@link ruledGraph}. */
export const tenants = 100;

/** ruledGraph is a graph of tasks that do not depend on each other, each with the same rules and with one of 100 tenants in its metadata. */
export function ruledGraph(shape: {
  readonly tasks: number;
  readonly kind: string;
  readonly rules: NonNullable<TaskOptions["rules"]>;
}): TaskGraph {
  const { kind, rules } = shape;
  const graph = createGraph({ name: "independent, with rules" });
  for (let n = 0; n < shape.tasks; n++) {
    graph.task(`t${n}`, { kind, rules, metadata: { tenant: `tenant-${n % tenants}` }, input: { n } });
  }
  return graph;
}

function distinct(value: number, place: number, all: readonly number[]): boolean {
  return all.indexOf(value) === place;
}
