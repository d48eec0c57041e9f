import type { Database, Statement } from "./database.ts";

/** With whom a task takes turns, in which queue. */
export interface FlowRequest {
  /** Empty: it has no fairness_key. */
  readonly fairnessKey: string;
  readonly fairnessWeight: number;
}

const addStatement: Statement = { name: "add_flows", text: "select mp_add_flows($1, $2, $3, $4) ids" };

/** How many are kept. */
const cachedMax = 100_000;

/** The dictionary of fairness keys, cached: it only grows, but for weights, of which the one that was given last counts. */
export class Flows {
  readonly #db: Pick<Database, "write">;
  readonly #known = new Map<string, { readonly id: number; readonly weight: number }>();
  readonly #fairQueues = new Set<number>();

  constructor(db: Pick<Database, "write">) {
    this.#db = db;
  }

  /** The numbers of tasks' fairness keys, made where they are missing; null for a task without one. `queues`: of each task; there, claims look for turns from now on. */
  async intern(
    namespaceId: number,
    wanted: readonly FlowRequest[],
    queues: readonly number[],
  ): Promise<(number | null)[]> {
    const found = new Map<string, number>();
    const unknown = new Map<string, number>();
    const newQueues = new Set<number>();
    for (const [n, { fairnessKey, fairnessWeight }] of wanted.entries()) {
      if (fairnessKey === "") continue;
      const known = this.#known.get(cacheKey(namespaceId, fairnessKey));
      // Of several in one call, the last one counts.
      if (known?.weight !== fairnessWeight || unknown.has(fairnessKey)) unknown.set(fairnessKey, fairnessWeight);
      else found.set(fairnessKey, known.id);
      if (!this.#fairQueues.has(queues[n] as number)) newQueues.add(queues[n] as number);
    }
    if (unknown.size > 0 || newQueues.size > 0) {
      const keys = [...unknown.keys()];
      const values = [namespaceId, keys, [...unknown.values()], [...newQueues]];
      const [row] = await this.#db.write<{ ids: number[] }>(addStatement, values);
      for (const [n, key] of keys.entries()) {
        const id = row?.ids[n] as number;
        found.set(key, id);
        this.#remember(cacheKey(namespaceId, key), { id, weight: unknown.get(key) as number });
      }
      for (const queue of newQueues) this.#fairQueues.add(queue);
    }
    return wanted.map(({ fairnessKey }) => (fairnessKey === "" ? null : (found.get(fairnessKey) as number)));
  }

  #remember(key: string, flow: { readonly id: number; readonly weight: number }): void {
    this.#known.delete(key);
    this.#known.set(key, flow);
    if (this.#known.size > cachedMax) this.#known.delete(this.#known.keys().next().value as string);
  }
}

function cacheKey(namespaceId: number, key: string): string {
  return `${namespaceId} ${key}`;
}
