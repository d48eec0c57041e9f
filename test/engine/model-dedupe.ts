import { DependencyCondition, TaskStatus } from "@millpond/sdk";
import { hasEnded, type ModelEdge, type ModelTaskInit } from "./reference-model.ts";

/** What finds the task that a new one would repeat. No statuses: every one that has not ended. */
export interface Matcher {
  readonly kind: number;
  readonly statuses: readonly TaskStatus[];
  readonly fields: readonly string[];
}

/** A task as a request lists it. */
export interface RequestedTask extends ModelTaskInit {
  readonly dedupe: readonly Matcher[];
}

/** A task that a matcher may find. */
export interface Findable {
  readonly name: string;
  readonly kind: number;
  readonly metadata: Readonly<Record<string, number>>;
  readonly status: TaskStatus;
}

/** Tells whether a matcher of a task finds another: equal values of all fields, none of which the task may lack. */
export function finds(task: RequestedTask, matcher: Matcher, other: Findable): boolean {
  const { kind, statuses, fields } = matcher;
  if (other.kind !== kind) return false;
  if (statuses.length === 0 ? hasEnded(other.status) : !statuses.includes(other.status)) return false;
  return fields.every((field) => field in task.metadata && task.metadata[field] === other.metadata[field]);
}

/**
 * Says for each task of a request that repeats others which ones it may be answered with: those that its first matcher that finds anything finds
 * (design 2.4). Tasks that stand earlier in the request are WAITING where they have dependencies, else PENDING.
 */
export function findDuplicates(
  listed: readonly RequestedTask[],
  existing: readonly Findable[],
): Map<string, ReadonlySet<string>> {
  const there = [...existing];
  const duplicates = new Map<string, ReadonlySet<string>>();
  for (const task of listed) {
    const found = task.dedupe.map((matcher) => there.filter((other) => finds(task, matcher, other)));
    const first = found.find((others) => others.length > 0);
    if (first !== undefined) duplicates.set(task.name, new Set(first.map((other) => other.name)));
    else there.push({ ...task, status: task.parents.length > 0 ? TaskStatus.WAITING : TaskStatus.PENDING });
  }
  return duplicates;
}

/** The edges of a task once its duplicate parents are replaced: of two onto the same task the one that asks for more stays. */
export function redirect(edges: readonly ModelEdge[], instead: ReadonlyMap<string, string>): ModelEdge[] {
  const kept = new Map<string, DependencyCondition>();
  for (const { name, condition } of edges) {
    const parent = instead.get(name) ?? name;
    const other = kept.get(parent);
    if (other === undefined || demand(condition) > demand(other)) kept.set(parent, condition);
  }
  return [...kept].map(([name, condition]) => ({ name, condition }));
}

function demand(condition: DependencyCondition): number {
  if (condition === DependencyCondition.COMPLETED) return 0;
  return condition === DependencyCondition.FAILURE ? 1 : 2;
}
