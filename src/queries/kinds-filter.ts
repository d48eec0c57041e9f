import type { Dictionaries } from "../store/dictionaries.ts";

/** The queues of some kinds: what a filter by kind selects. No kinds: undefined, which selects everything. */
export async function queuesOfKindsFilter(
  dictionaries: Dictionaries,
  namespaceId: number,
  kinds: readonly string[],
): Promise<number[] | undefined> {
  if (kinds.length === 0) return undefined;
  await dictionaries.refreshQueues();
  return dictionaries.queuesOfKinds(namespaceId, kinds).map((queue) => queue.id);
}
