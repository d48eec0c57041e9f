import { MillpondError } from "../domain/errors.ts";
import type { Database, Statement } from "./database.ts";

/** What tasks of one kind, way of execution, set of required labels and host of the start webhook queue under. */
export interface Queue {
  readonly id: number;
  readonly namespaceId: number;
  readonly kind: string;
  readonly execution: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Where the start webhooks lead, as `hostKey` says; empty: there are none, or it is not known. */
  readonly host: string;
}

/** A queue that tasks are to be put in. */
export type WantedQueue = Omit<Queue, "id" | "namespaceId">;

const addQueuesStatement: Statement = {
  name: "add_queues",
  text: `insert into queue (namespace_id, kind, execution, labels, host)
    select $1, x.kind, x.execution, x.labels::jsonb, x.host from unnest($2::text[], $3::smallint[], $4::text[], $5::text[]) x(kind, execution, labels, host)
    order by x.kind, x.execution, x.labels, x.host on conflict do nothing`,
};
const queuesAfterStatement: Statement = {
  name: "queues_after",
  text: 'select id, namespace_id "namespaceId", kind, execution, labels, host from queue where id > $1 order by id',
};
const addWorkerStatement: Statement = {
  name: "add_worker",
  text: "insert into worker (namespace_id, name) values ($1, $2) on conflict do nothing",
};
const findWorkerStatement: Statement = {
  name: "find_worker",
  text: "select id, name from worker where namespace_id = $1 and name = $2",
};
const workersByIdStatement: Statement = {
  name: "workers_by_id",
  text: "select id, name from worker where id = any ($1)",
};

/** How far back a refresh looks again: ids of sequences can become visible out of order. */
const overlap = 1000;
const workersCachedMax = 100_000;
const staleAfterMs = 10_000;
/** Kinds, with their ways of execution, sets of required labels and hosts of webhooks, that a database may have in all. */
const queuesMax = 100_000;
/** From so many queues on, hosts of webhooks that are new are not told apart any more: their tasks share a queue, where one that is slow may hold up others. */
const hostQueuesMax = 50_000;

/**
 * The dictionaries of the database, cached: both only ever grow, so what is cached stays true.
 * Queues are few and all in memory; workers come and go, the oldest of them are forgotten.
 */
export class Dictionaries {
  readonly #db: Database;
  readonly #queues = new Map<number, Queue>();
  readonly #queueIds = new Map<string, number>();
  /** Of queues without labels, by what is quicker to make than the whole key. */
  readonly #plainIds = new Map<string, number>();
  readonly #byKind = new Map<string, Queue[]>();
  #newest = 0;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  readonly #workerNames = new Map<number, string>();
  readonly #workerIds = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** How many queues are known: it grows whenever one becomes known. */
  get queueCount(): number {
    return this.#queues.size;
  }

  /** Ids of queues, made where they are missing; in the order asked for. */
  async internQueues(namespaceId: number, asked: readonly WantedQueue[]): Promise<number[]> {
    return this.#knownQueues(namespaceId, asked) ?? (await this.#addQueues(namespaceId, asked));
  }

  /** The ids of queues without labels that are known; undefined: there are others. Graphs have many tasks of few kinds, one after the other. */
  #knownQueues(namespaceId: number, asked: readonly WantedQueue[]): number[] | undefined {
    const ids = new Array<number>(asked.length);
    let before: WantedQueue | undefined;
    for (const [n, queue] of asked.entries()) {
      for (const _ in queue.labels) return undefined;
      const isSame = before?.kind === queue.kind && before.execution === queue.execution && before.host === queue.host;
      const id = isSame ? ids[n - 1] : this.#plainIds.get(plainKey(namespaceId, queue));
      if (id === undefined) return undefined;
      ids[n] = id;
      before = queue;
    }
    return ids;
  }

  async #addQueues(namespaceId: number, asked: readonly WantedQueue[]): Promise<number[]> {
    const wanted = this.#queues.size < hostQueuesMax ? asked : this.#withKnownHosts(namespaceId, asked);
    const keys = queueKeys(namespaceId, wanted);
    const missing = new Map(
      wanted.flatMap((queue, n) =>
        this.#queueIds.has(keys[n] as string) ? [] : [[keys[n] as string, queue] as const],
      ),
    );
    if (missing.size > 0) {
      if (this.#queues.size + missing.size > queuesMax) throw tooMany();
      const rows = [...missing.values()];
      await this.#db.write(addQueuesStatement, [
        namespaceId,
        rows.map((row) => row.kind),
        rows.map((row) => row.execution),
        rows.map((row) => canonicalLabels(row.labels)),
        rows.map((row) => row.host),
      ]);
      await this.refreshQueues();
      if (keys.some((key) => !this.#queueIds.has(key))) await this.#load(0);
    }
    return keys.map((key) => this.#queueIds.get(key) ?? fail(`queue ${key} was not found after it was written`));
  }

  #withKnownHosts(namespaceId: number, asked: readonly WantedQueue[]): WantedQueue[] {
    return asked.map((queue) => {
      if (queue.host === "" || this.#queueIds.has(queueKey({ ...queue, namespaceId }))) return queue;
      return { kind: queue.kind, execution: queue.execution, labels: queue.labels, host: "" };
    });
  }

  /** Loads queues that other servers have made, unless that was done within the last ten seconds: they tell of new ones. */
  async refreshStaleQueues(): Promise<void> {
    if (performance.now() - this.#refreshedAtMs > staleAfterMs) await this.refreshQueues();
  }

  /** Loads queues that other servers have made lately. */
  async refreshQueues(): Promise<void> {
    this.#refreshedAtMs = performance.now();
    await this.#load(Math.max(0, this.#newest - overlap));
  }

  async #load(after: number): Promise<void> {
    for (const row of await this.#db.read<Queue>(queuesAfterStatement, [after])) {
      if (this.#queues.has(row.id)) continue;
      this.#newest = Math.max(this.#newest, row.id);
      this.#queues.set(row.id, row);
      this.#queueIds.set(queueKey(row), row.id);
      if (Object.keys(row.labels).length === 0) this.#plainIds.set(plainKey(row.namespaceId, row), row.id);
      const same = this.#byKind.get(row.kind) ?? [];
      same.push(row);
      this.#byKind.set(row.kind, same);
    }
  }

  /** The queue of an id; loads it when another server made it. */
  async queue(id: number): Promise<Queue> {
    if (!this.#queues.has(id)) await this.refreshQueues();
    // One whose transaction was slow became visible after queues with much higher ids.
    if (!this.#queues.has(id)) await this.#load(0);
    return this.#queues.get(id) ?? fail(`there is no queue ${id}`);
  }

  /** The queue of an id that is known to have been loaded. */
  loadedQueue(id: number): Queue {
    return this.#queues.get(id) ?? fail(`queue ${id} has not been loaded`);
  }

  /** Whether a queue is known here; another server may have made one that is not. */
  isLoaded(id: number): boolean {
    return this.#queues.has(id);
  }

  /** All queues of some kinds; of kinds that nobody has used there are none. */
  queuesOfKinds(namespaceId: number, kinds: readonly string[]): Queue[] {
    return kinds.flatMap((kind) => this.#byKind.get(kind) ?? []).filter((queue) => queue.namespaceId === namespaceId);
  }

  /** All queues that a predicate selects. */
  queuesWhere(select: (queue: Queue) => boolean): Queue[] {
    return [...this.#queues.values()].filter(select);
  }

  /** The id of a worker's name, made where it is missing. */
  async internWorker(namespaceId: number, name: string): Promise<number> {
    const key = `${namespaceId} ${name}`;
    const cached = this.#workerIds.get(key);
    if (cached !== undefined) return cached;
    const found = await this.#db.read<{ id: number }>(findWorkerStatement, [namespaceId, name]);
    if (found.length === 0) await this.#db.write(addWorkerStatement, [namespaceId, name]);
    const row = found[0] ?? (await this.#db.read<{ id: number }>(findWorkerStatement, [namespaceId, name]))[0];
    const id = row?.id ?? fail(`worker ${name} was not found after it was written`);
    remember(this.#workerIds, key, id);
    remember(this.#workerNames, id, name);
    return id;
  }

  /** The names of workers by id. */
  async workerNames(ids: Iterable<number>): Promise<ReadonlyMap<number, string>> {
    const wanted = new Set(ids);
    const missing = [...wanted].filter((id) => id !== 0 && !this.#workerNames.has(id));
    if (missing.length > 0) {
      for (const row of await this.#db.readByKey<{ id: number; name: string }>(workersByIdStatement, [missing]))
        remember(this.#workerNames, row.id, row.name);
    }
    return new Map(
      [...wanted].flatMap((id) =>
        this.#workerNames.has(id) ? [[id, this.#workerNames.get(id) as string] as const] : [],
      ),
    );
  }
}

function remember<K, V>(cache: Map<K, V>, key: K, value: V): void {
  cache.set(key, value);
  if (cache.size > workersCachedMax) cache.delete(cache.keys().next().value as K);
}

/** The keys of many queues. Graphs have many tasks of few kinds, most of them without labels: these are made once. */
function queueKeys(namespaceId: number, wanted: readonly WantedQueue[]): string[] {
  const plain = new Map<string, string>();
  return wanted.map((queue) => {
    for (const _ in queue.labels) return queueKey({ ...queue, namespaceId });
    const brief = plainKey(namespaceId, queue);
    let key = plain.get(brief);
    if (key === undefined) {
      key = queueKey({ ...queue, namespaceId });
      plain.set(brief, key);
    }
    return key;
  });
}

function plainKey(namespaceId: number, { execution, host, kind }: Omit<WantedQueue, "labels">): string {
  return `${namespaceId} ${execution} ${host} ${kind}`;
}

function queueKey(queue: Omit<Queue, "id">): string {
  return JSON.stringify([queue.namespaceId, queue.kind, queue.execution, canonicalLabels(queue.labels), queue.host]);
}

function canonicalLabels(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function tooMany(): MillpondError {
  const message = `the tasks of this database have ${queuesMax} different kinds, sets of required labels and hosts of webhooks already; use fewer, and metadata for what tells tasks apart`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(queuesMax) } });
}

function fail(message: string): never {
  throw new Error(message);
}
