import type { Dictionaries } from "../store/dictionaries.ts";

/** The kinds and workers that numbers of rows stand for. */
export interface RowNames {
  kindOf(queue: number): string;
  workerOf(worker: number): string;
}

/** Loads what names the numbers of some rows. */
export async function loadRowNames(
  dictionaries: Dictionaries,
  rows: readonly { readonly queue: number; readonly worker: number | null }[],
): Promise<RowNames> {
  for (const queue of new Set(rows.map((row) => row.queue))) await dictionaries.queue(queue);
  const workers = await dictionaries.workerNames(rows.map((row) => row.worker ?? 0));
  return {
    kindOf: (queue) => dictionaries.loadedQueue(queue).kind,
    workerOf: (worker) => workers.get(worker) ?? "",
  };
}
