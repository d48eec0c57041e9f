import type { BatchGraph } from "../domain/batch-graph.ts";

/** What a {@link GraphCache} is bounded by. */
export interface GraphCacheOptions {
  /** How many tasks and edges all graphs of the cache have together; one that is larger is kept alone. */
  readonly elementsMax: number;
  /** How long a graph is kept after its last use. */
  readonly keepMs: number;
}

/** What each graph counts for beside its tasks and edges, so that the number of small ones is bounded, too. */
const graphElements = 1_000;

interface Entry {
  readonly graph: Promise<BatchGraph>;
  readonly expiry: NodeJS.Timeout;
  elements: number;
}

/**
 * Keeps the graphs of walks that are under way, so that all pages of one show the same moment and it is computed once. What is
 * gone (too old, too much, another server's) is computed again when it is asked for.
 */
export class GraphCache {
  readonly #options: GraphCacheOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #computing = new Map<string, Promise<BatchGraph>>();

  constructor(options: GraphCacheOptions) {
    this.#options = options;
  }

  /** The graph of a key; computes it where there is none. Calls at the same time share what is being computed. */
  get(key: string, compute: () => Promise<BatchGraph>): Promise<BatchGraph> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.expiry.refresh();
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.graph;
    }
    const expiry = setTimeout(() => this.#entries.delete(key), this.#options.keepMs).unref();
    const entry: Entry = { graph: compute(), expiry, elements: 0 };
    this.#entries.set(key, entry);
    entry.graph.then(
      (graph) => this.#measure(entry, graph),
      () => this.#drop(key, entry),
    );
    return entry.graph;
  }

  /** A graph as it is now, which is not kept: calls at the same time share what is being computed. */
  share(key: string, compute: () => Promise<BatchGraph>): Promise<BatchGraph> {
    const known = this.#computing.get(key);
    if (known !== undefined) return known;
    const graph = compute().finally(() => this.#computing.delete(key));
    this.#computing.set(key, graph);
    return graph;
  }

  /** How many graphs there are. */
  get size(): number {
    return this.#entries.size;
  }

  #measure(entry: Entry, graph: BatchGraph): void {
    entry.elements = graphElements + graph.size + graph.parents.length;
    let total = [...this.#entries.values()].reduce((sum, { elements }) => sum + elements, 0);
    for (const [key, other] of this.#entries) {
      if (total <= this.#options.elementsMax) return;
      if (other === entry || other.elements === 0) continue;
      total -= other.elements;
      this.#drop(key, other);
    }
  }

  #drop(key: string, entry: Entry): void {
    clearTimeout(entry.expiry);
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}
