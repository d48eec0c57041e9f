import { type RecordItem, RecordLog, type RecordReader } from "../lib/record-log.ts";
import type { NewTask } from "./new-task.ts";
import type { NodeList, RequestedEdge, RequestedNode } from "./task-graph.ts";

/** TaskTraits is what many tasks of a graph have in common. */
export type TaskTraits = Omit<NewTask, keyof OwnParts | "dependencies" | "ruleValues">;

/** OwnParts is what each task has for itself, beside its edges; `ruleValues` are not kept: they are made of metadata again. */
export type OwnParts = Pick<NewTask, "key" | "name" | "metadata" | "input" | "spec" | "expectedCount" | "startTime">;

/** How an edge says which task it is onto. */
const edgeByKey = 0;
const edgeById = 1;

/**
 * PackedTasks keeps the tasks of a large graph in a few hundred bytes each beside their texts, and makes each again when it is asked for: a hundred thousand
 * tasks as objects are a million objects, which live as long as the upload. What is each task's own is in a {@link RecordLog}; the rest of it, which
 * most tasks of a graph share, is kept once.
 */
export class PackedTasks {
  readonly #log = new RecordLog();
  readonly #onBytes: (bytes: Uint8Array | string) => void;
  readonly #traits: TaskTraits[] = [];
  readonly #traitsByText = new Map<string, number>();
  readonly #traitsOf: number[] = [];
  #dependsOnExisting = false;

  /** `onBytes` is told of what is kept, as it comes: of equal tasks in equal order it is told the same, of others something else. */
  constructor(onBytes: (bytes: Uint8Array | string) => void = () => {}) {
    this.#onBytes = onBytes;
  }

  /** Packs tasks. */
  static of(tasks: readonly NewTask[]): PackedTasks {
    const packed = new PackedTasks();
    for (const task of tasks) packed.push(task);
    return packed;
  }

  /** How many tasks there are. */
  get length(): number {
    return this.#log.length;
  }

  /** What tasks have in common, each once. */
  get traits(): readonly TaskTraits[] {
    return this.#traits;
  }

  /** Adds a task. */
  push(task: NewTask): void {
    const traits = this.#numberOfTraits(task);
    const { key, name, metadata, input, spec, expectedCount, startTime, dependencies } = task;
    const items: RecordItem[] = [traits, key, name, metadata, input, spec, textOf(expectedCount), textOf(startTime)];
    items.push(dependencies.length);
    for (const { key: parent, taskId, condition } of dependencies) {
      const isById = parent === undefined;
      if (isById) this.#dependsOnExisting = true;
      items.push((condition << 1) | (isById ? edgeById : edgeByKey), isById ? String(taskId) : parent);
    }
    this.#traitsOf.push(traits);
    this.#onBytes(this.#log.push(items));
  }

  /** The task at a place. */
  at(place: number): NewTask | undefined {
    if (place >= this.length) return undefined;
    const record = this.#log.read(place);
    const traits = this.#traits[record.number()] as TaskTraits;
    return { ...traits, ...readOwn(record), dependencies: readEdges(record) };
  }

  /** What the task at a place has for itself. */
  ownAt(place: number): OwnParts {
    const record = this.#log.read(place);
    record.number();
    return readOwn(record);
  }

  /** What the shape of the graph depends on, without the rest. */
  get nodes(): NodeList {
    return { length: this.length, at: (place) => (place < this.length ? this.#nodeAt(place) : undefined) };
  }

  /** What the task at a place has in common with others: its number in {@link traits}. */
  traitsAt(place: number): number {
    return this.#traitsOf[place] as number;
  }

  /** Whether some task names one that exists, by its id. */
  get dependsOnExisting(): boolean {
    return this.#dependsOnExisting;
  }

  /** All of the tasks. */
  unpack(): NewTask[] {
    return Array.from({ length: this.length }, (_, place) => this.at(place) as NewTask);
  }

  #nodeAt(place: number): RequestedNode {
    const record = this.#log.read(place);
    record.number();
    const key = record.text();
    for (let n = 0; n < textsAfterKey; n += 1) record.skipText();
    return { key, dependencies: readEdges(record) };
  }

  /** Most tasks have what the task before has: that is seen without making a text of it. */
  #numberOfTraits(task: NewTask): number {
    const before = this.#traitsOf.at(-1);
    if (before !== undefined && hasTraits(task, this.#traits[before] as TaskTraits)) return before;
    const text = JSON.stringify(
      traitNames.map((name) => task[name]),
      (_, value: unknown) => (typeof value === "bigint" ? String(value) : value),
    );
    const known = this.#traitsByText.get(text);
    if (known !== undefined) return known;
    this.#onBytes(text);
    this.#traitsByText.set(text, this.#traits.length);
    return this.#traits.push(traitsOf(task)) - 1;
  }
}

/** Texts of a record between the key and the number of dependencies. */
const textsAfterKey = 6;

const plainTraitNames = [
  ...(["kind", "execution", "host", "unmetPolicy", "priority", "startTimeoutMs", "inactivityTimeoutMs"] as const),
  ...(["executionTimeoutMs", "totalTimeoutMs", "onSuccess", "onFailure", "onCancel"] as const),
  ...(["critical", "onlyForDependents", "fairnessKey", "fairnessWeight"] as const),
] satisfies (keyof TaskTraits)[];
const traitNames = [...plainTraitNames, "labels", "retry", "dedupe", "rules"] as const satisfies (keyof TaskTraits)[];

/** Whether a task has these traits; what is made of several values counts only where there is none of it, or it is the very same. */
function hasTraits(task: NewTask, traits: TaskTraits): boolean {
  for (const name of plainTraitNames) if (task[name] !== traits[name]) return false;
  if (task.rules !== traits.rules && task.rules.length + traits.rules.length > 0) return false;
  return isSimple(task) && isSimple(traits);
}

function isSimple({ labels, retry, dedupe }: TaskTraits): boolean {
  for (const _ in labels) return false;
  return retry === null && dedupe.length === 0;
}

function traitsOf(task: NewTask): TaskTraits {
  const { key: _k, name: _n, dependencies: _d, metadata: _m, input: _i, spec: _s, ...rest } = task;
  const { expectedCount: _e, startTime: _t, ruleValues: _r, ...traits } = rest;
  return traits;
}

function readOwn(record: RecordReader): OwnParts {
  const key = record.text();
  const name = record.text();
  const metadata = record.optionalText();
  const input = record.optionalText();
  const spec = record.optionalText();
  const expectedCount = record.optionalText();
  const startTime = record.optionalText();
  return {
    key,
    name,
    metadata,
    input,
    spec,
    expectedCount: expectedCount === null ? null : BigInt(expectedCount),
    startTime: startTime === null ? null : Number(startTime),
  };
}

function readEdges(record: RecordReader): RequestedEdge[] {
  const edges = new Array<RequestedEdge>(record.number());
  for (let n = 0; n < edges.length; n += 1) {
    const head = record.number();
    const condition = head >>> 1;
    const parent = record.text();
    edges[n] = (head & 1) === edgeById ? { condition, taskId: BigInt(parent) } : { condition, key: parent };
  }
  return edges;
}

function textOf(value: bigint | number | null): string | null {
  return value === null ? null : String(value);
}
