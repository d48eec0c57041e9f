import { expect, test } from "vitest";
import type { Database } from "../../src/store/database.ts";
import { Dictionaries } from "../../src/store/dictionaries.ts";

/** A database of queues, of which some are not visible yet. */
function databaseOf(visible: ReadonlySet<number>): Database {
  const queue = (id: number) => ({ id, namespaceId: 1, kind: `kind ${id}`, execution: 1, labels: {}, host: "" });
  return {
    read: async (_statement: unknown, [after]: [number]) => [...visible].filter((id) => id > after).map(queue),
    write: async () => [],
  } as unknown as Database;
}

test("a queue that becomes visible after queues with much higher ids is found all the same", async () => {
  const visible = new Set([9_000]);
  const dictionaries = new Dictionaries(databaseOf(visible));
  await dictionaries.refreshQueues();
  visible.add(3).add(4);
  expect((await dictionaries.queue(3)).kind).toBe("kind 3");
  visible.add(5);
  expect(await dictionaries.internQueues(1, [{ kind: "kind 5", execution: 1, labels: {}, host: "" }])).toEqual([5]);
});

test("two hundred thousand queues can be loaded, and new ones are refused with what to do", async () => {
  const dictionaries = new Dictionaries(databaseOf(new Set(Array.from({ length: 200_000 }, (_, n) => n + 1))));
  await dictionaries.refreshQueues();
  await dictionaries.refreshQueues();
  expect((await dictionaries.queue(200_000)).kind).toBe("kind 200000");
  const wanted = [{ kind: "new", execution: 1, labels: {}, host: "" }];
  await expect(dictionaries.internQueues(1, wanted)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
});
