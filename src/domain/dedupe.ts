import { canonicalJson } from "./canonical-json.ts";
import type { DedupeMatcher } from "./dedupe-matcher.ts";
import type { NewTask } from "./new-task.ts";
import type { RequestedEdge } from "./task-graph.ts";
import { DependencyCondition, TaskStatus } from "./task-status.ts";

/** What a task turned out to repeat: a task that exists, or (by its place) one that stands earlier in the request. */
export type Duplicate =
  | { readonly case: "existing"; readonly id: bigint; readonly status: number }
  | { readonly case: "earlier"; readonly place: number };

/** A look-up that only the database can make: what a matcher of the task at a place may find there. */
export interface LookUp {
  readonly place: number;
  /** Which matcher of the task. */
  readonly matcher: number;
  /** Equal for look-ups, of one shape and for the same statuses, that find the same. */
  readonly values: string;
}

/** The look-ups that the matchers of some tasks ask for. A matcher of which a task lacks a field is none. */
export function lookUps(tasks: readonly NewTask[]): LookUp[] {
  return tasks.flatMap((task, place) => {
    if (task.dedupe.length === 0) return [];
    const metadata = parse(task.metadata);
    return task.dedupe.flatMap(({ fields }, matcher) => {
      const values = valuesOf(metadata, fields);
      return values === undefined ? [] : [{ place, matcher, values }];
    });
  });
}

/**
 * Decides, in the order of the request, which tasks are duplicates: the first matcher that finds anything decides. `existing` is what the database found
 * for a place and a matcher. Within the request a task is WAITING if it has dependencies, else PENDING.
 */
export function findDuplicates(
  tasks: readonly NewTask[],
  existing: (place: number, matcher: number) => { readonly id: bigint; readonly status: number } | undefined,
): ReadonlyMap<number, Duplicate> {
  const shapes = new Map<string, DedupeMatcher>();
  for (const task of tasks) for (const matcher of task.dedupe) shapes.set(shapeKey(matcher), matcher);
  const seen: Seen = new Map();
  const found = new Map<number, Duplicate>();
  for (const [place, task] of tasks.entries()) {
    const metadata = parse(task.metadata);
    const duplicate = match({ task, place, metadata, seen, existing });
    if (duplicate !== undefined) {
      found.set(place, duplicate);
      continue;
    }
    const status = task.dependencies.length === 0 ? TaskStatus.PENDING : TaskStatus.WAITING;
    for (const [key, { kind, fields }] of shapes) {
      const values = kind === task.kind ? valuesOf(metadata, fields) : undefined;
      if (values === undefined) continue;
      const places = seen.get(key + values) ?? new Map<number, number>();
      if (!places.has(status)) places.set(status, place);
      seen.set(key + values, places);
    }
  }
  return found;
}

/** By shape and values: the first place of each status. */
type Seen = Map<string, Map<number, number>>;

interface MatchInput {
  readonly task: NewTask;
  readonly place: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly seen: Seen;
  readonly existing: (place: number, matcher: number) => { readonly id: bigint; readonly status: number } | undefined;
}

function match({ task, place, metadata, seen, existing }: MatchInput): Duplicate | undefined {
  for (const [n, matcher] of task.dedupe.entries()) {
    const values = valuesOf(metadata, matcher.fields);
    if (values === undefined) continue;
    const there = existing(place, n);
    if (there !== undefined) return { case: "existing", ...there };
    const places = seen.get(shapeKey(matcher) + values);
    const earlier = matcher.statuses.flatMap((status) => places?.get(status) ?? []);
    if (earlier.length > 0) return { case: "earlier", place: Math.min(...earlier) };
  }
  return undefined;
}

/**
 * The tasks that remain, with their places in the request, and with edges that lead to what the duplicates repeat. Of two edges that lead to the same task
 * then, the one that asks for more stays: SUCCESS before FAILURE before COMPLETED.
 */
export function withoutDuplicates(
  tasks: readonly NewTask[],
  duplicates: ReadonlyMap<number, Duplicate>,
  known: ReadonlyMap<string, bigint>,
): { readonly tasks: readonly NewTask[]; readonly places: readonly number[] } {
  const places = tasks.flatMap((_, place) => (duplicates.has(place) ? [] : [place]));
  const remaining = new Map(places.map((place, n) => [place, n]));
  const parentOf = new Map<string, RequestedParent>([...known].map(([key, taskId]) => [key, { taskId }]));
  for (const [place, { key }] of tasks.entries()) {
    if (key === "") continue;
    const duplicate = duplicates.get(place);
    if (duplicate?.case === "existing") parentOf.set(key, { taskId: duplicate.id });
    else parentOf.set(key, { place: remaining.get(duplicate?.place ?? place) as number });
  }
  return { places, tasks: places.map((place) => redirect(tasks[place] as NewTask, parentOf)) };
}

type RequestedParent = { readonly taskId: bigint } | { readonly place: number };

/** Names each parent in one way, so that two edges onto the same one are seen to be. */
function redirect(task: NewTask, parentOf: ReadonlyMap<string, RequestedParent>): NewTask {
  const kept = new Map<string, RequestedEdge>();
  for (const { key, condition, ...parent } of task.dependencies) {
    const edge: RequestedEdge = { ...(key === undefined ? parent : parentOf.get(key)), condition };
    const name = edge.taskId === undefined ? `place ${edge.place}` : `task ${edge.taskId}`;
    const other = kept.get(name);
    if (other === undefined || rank(condition) < rank(other.condition)) kept.set(name, edge);
  }
  return { ...task, dependencies: [...kept.values()] };
}

function rank(condition: number): number {
  return [DependencyCondition.SUCCESS, DependencyCondition.FAILURE, DependencyCondition.COMPLETED].indexOf(
    condition as 1,
  );
}

function parse(metadata: string | null): Readonly<Record<string, unknown>> {
  return metadata === null ? {} : (JSON.parse(metadata) as Record<string, unknown>);
}

/** The values of some fields as canonical text; undefined where one is missing. */
function valuesOf(metadata: Readonly<Record<string, unknown>>, fields: readonly string[]): string | undefined {
  if (!fields.every((field) => Object.hasOwn(metadata, field))) return undefined;
  return canonicalJson(fields.map((field) => metadata[field]));
}

function shapeKey({ kind, fields }: { readonly kind: string; readonly fields: readonly string[] }): string {
  return JSON.stringify([kind, fields]);
}
