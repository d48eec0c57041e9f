import type { Place, PlacePool, StartedTask } from "../domain/places.ts";
import { parseHandedOver } from "./handed-over.ts";

/** The part of a database function's answer that {@link startedOf} reads. */
export interface StartedRow {
  o_started: bigint[] | null;
  o_started_attempts: number[] | null;
  o_places: number[] | null;
  o_handed_over?: string | null;
}

/** Reads which tasks a transaction started, and on which places. */
export function startedOf(row: StartedRow | undefined): StartedTask[] {
  const assignments = row?.o_handed_over ? parseHandedOver(row.o_handed_over) : [];
  return (row?.o_started ?? []).map((id, n) => ({
    id,
    assignment: assignments[n],
    attempt: row?.o_started_attempts?.[n] ?? 0,
    place: (row?.o_places?.[n] ?? 1) - 1,
  }));
}

/**
 * Writes places as two arrays of the database, of workers and of leases in milliseconds. Their last elements count for all places that follow: those of one
 * worker are one element.
 */
export function placeArrays(places: readonly Place[]): { workers: number[]; leases: number[] } {
  let end = places.length;
  const last = places[end - 1];
  while (end > 1 && places[end - 2]?.worker === last?.worker && places[end - 2]?.leaseMs === last?.leaseMs) end -= 1;
  const kept = places.slice(0, end);
  return { workers: kept.map((place) => place.worker), leases: kept.map((place) => place.leaseMs) };
}

/** Writes pools as a value of the type mp_slots; null where there is none. */
export function slotsValue(pools: readonly PlacePool[] | undefined): string | null {
  if (pools === undefined || pools.length === 0) return null;
  const queues: number[] = [];
  const numbers: number[] = [];
  const firsts: number[] = [];
  const counts: number[] = [];
  let first = 1;
  for (const [n, pool] of pools.entries()) {
    for (const queue of pool.queues) {
      queues.push(queue);
      numbers.push(n);
      firsts.push(first);
      counts.push(pool.places.length);
    }
    first += pool.places.length;
  }
  const { workers, leases } = placeArrays(pools.flatMap((pool) => pool.places));
  return `(${[queues, numbers, firsts, counts, workers, leases].map((items) => `"{${items.join(",")}}"`).join(",")})`;
}
