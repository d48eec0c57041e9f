import { BoundedCache } from "../lib/bounded-cache.ts";
import type { Database, Statement } from "./database.ts";

/** The spec of a task t, as ProtoJSON: its own, or the one that it shares with others of its batch. */
export const specSql =
  "case when t.spec_id is null then t.spec else (select s.spec from shared_spec s where s.batch_id = t.batch_id and s.id = t.spec_id) end";

/** What a task that is to be written was given, and its batch. */
interface SpecOwner {
  readonly id: bigint;
  readonly spec: string | null;
}

/** A text and how many tasks of a batch have it; `reference` is what others than the first send. */
interface Use {
  readonly first: number;
  readonly reference: string;
  count: number;
}

/** What is kept once must spare so many characters: it is a row of its own. */
const sparedMin = 256;

/**
 * The specs of tasks as `mp_insert_tasks` takes them: what several tasks of a batch were given alike, as most of a graph are, is sent and kept once. `batchIds` has the batch of each task; those of
 * one batch stand together. Null: no task has any.
 */
export function specColumn(tasks: readonly SpecOwner[], batchIds: readonly bigint[]): (string | null)[] | null {
  if (tasks.every(({ spec }) => spec === null)) return null;
  const uses = usesOf(tasks, batchIds);
  return tasks.map(({ spec }, n) => {
    const use = uses[n];
    if (spec === null || use === undefined || (use.count - 1) * spec.length < sparedMin) return spec;
    return use.first === n ? `+${spec}` : use.reference;
  });
}

function usesOf(tasks: readonly SpecOwner[], batchIds: readonly bigint[]): (Use | undefined)[] {
  const bySpec = new Map<string, Use>();
  let before: string | undefined;
  let use: Use | undefined;
  return tasks.map(({ id, spec }, n) => {
    if (n > 0 && batchIds[n] !== batchIds[n - 1]) {
      bySpec.clear();
      before = undefined;
    }
    if (spec === null) return undefined;
    // The same object as of the task before, mostly: that is seen without reading it.
    if (spec !== before) {
      before = spec;
      use = bySpec.get(spec);
      if (use === undefined) {
        use = { first: n, reference: `=${id}`, count: 0 };
        bySpec.set(spec, use);
      }
    }
    if (use !== undefined) use.count += 1;
    return use;
  });
}

const readStatement: Statement = {
  name: "shared_specs",
  text: "select s.id::text, s.spec from unnest($1::bigint[], $2::bigint[]) x(batch_id, id) join shared_spec s on s.batch_id = x.batch_id and s.id = x.id where octet_length(s.spec) <= $3",
};
const bounds = { entriesMax: 10_000, bytesMax: 16 * 1024 * 1024 };

/** Which spec a task has: its own, or the shared one with this number. */
export interface SpecReference {
  readonly batchId: bigint;
  readonly spec: string | null;
  readonly specId: string | null;
}

/** SharedSpecs knows what has been read of specs that tasks share: they never change, and tasks of one graph are started one after the other. */
export class SharedSpecs {
  readonly #kept = new BoundedCache<string>(bounds);

  /** Answers the specs of some tasks, in their order; undefined: one that is shared has more than `bytesMax`, and it may be that none of them was read. */
  async of(
    db: Pick<Database, "readByKey">,
    tasks: readonly SpecReference[],
    bytesMax: number,
  ): Promise<(string | null)[] | undefined> {
    const missing = new Map<string, bigint>();
    const specs = this.#known(tasks, missing);
    if (missing.size === 0) return specs;
    const values = [[...missing.values()], [...missing.keys()], bytesMax];
    const read = new Map<string, string>();
    for (const { id, spec } of await db.readByKey<{ id: string; spec: string }>(readStatement, values)) {
      read.set(id, spec);
      this.#kept.set(id, spec, spec.length * 2);
    }
    if (read.size < missing.size) return undefined;
    return tasks.map(({ specId }, n) => specs[n] ?? (specId === null ? null : (read.get(specId) as string)));
  }

  #known(tasks: readonly SpecReference[], missing: Map<string, bigint>): (string | null)[] {
    let before: string | undefined;
    let spec: string | undefined;
    return tasks.map((task) => {
      if (task.specId === null) return task.spec;
      if (task.specId !== before) {
        before = task.specId;
        spec = this.#kept.get(task.specId);
      }
      if (spec === undefined) missing.set(task.specId, task.batchId);
      return spec ?? null;
    });
  }
}
