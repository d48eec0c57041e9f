import type { KnownAssignment } from "./task.ts";

/** A place that a worker has free: a task that takes it is the worker's, under a lease of so many milliseconds. */
export interface Place {
  readonly worker: number;
  readonly leaseMs: number;
}

/** Places that tasks of some queues may take. */
export interface PlacePool {
  readonly queues: readonly number[];
  readonly places: readonly Place[];
}

/** A task that was started in the commit that made it ready, and the number of the place that it took: from 0, over all pools in their order. */
export interface StartedTask {
  readonly id: bigint;
  readonly attempt: number;
  readonly place: number;
  /** What its worker is handed, where the commit has told it. */
  readonly assignment?: KnownAssignment | undefined;
}

/** Places that are kept for one transaction. No queue is in two pools. */
export interface Reservation {
  readonly pools: readonly PlacePool[];
  /** Hands out what the transaction started, and frees the other places; after a transaction that failed, all of them. */
  settle(started: readonly StartedTask[]): void;
}

/** Who has free places: the workers that wait for tasks at this server. */
export interface PlaceSource {
  /** How many workers wait now. */
  readonly size: number;
  /** Keeps up to `max` places for a transaction, of workers that take from `queues` (undefined: whichever). Undefined: there is none. */
  reserve(wanted: { readonly max: number; readonly queues?: ReadonlySet<number> }): Reservation | undefined;
}

/** Tells of some tasks that may start, most urgent first, which takes which place of a reservation: its number by the index of the task. */
export function assignPlaces(
  tasks: readonly { readonly queue: number; readonly priority: number }[],
  pools: readonly PlacePool[],
): Map<number, number> {
  const poolOf = new Map<number, { next: number; end: number }>();
  let first = 0;
  for (const pool of pools) {
    const range = { next: first, end: first + pool.places.length };
    for (const queue of pool.queues) poolOf.set(queue, range);
    first = range.end;
  }
  const order = tasks.map((_, index) => index);
  if (tasks.some((task) => task.priority !== tasks[0]?.priority))
    order.sort((a, b) => (tasks[b]?.priority ?? 0) - (tasks[a]?.priority ?? 0) || a - b);
  const assigned = new Map<number, number>();
  for (const index of order) {
    const range = poolOf.get(tasks[index]?.queue ?? 0);
    if (range === undefined || range.next === range.end) continue;
    assigned.set(index, range.next);
    range.next += 1;
  }
  return assigned;
}
