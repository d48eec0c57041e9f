import type { MillpondClient } from "@millpond/sdk";
import type { Random } from "./random.ts";
import { after, claim, createGraph, range, report, type TaskInit } from "./two-servers.ts";

/** Creates a layered graph and executes it, in transactions of mixed sizes; now and then a creation that is taken back. */
export async function executeGraph(
  clients: readonly MillpondClient[],
  kind: string,
  random: Random,
  metadata = {},
): Promise<void> {
  const client = (): MillpondClient => clients[random.below(clients.length)] as MillpondClient;
  const width = 1 + random.below(20);
  const layers = 1 + random.below(4);
  const tasks = range(width * layers).map((n): TaskInit => {
    const above = range(width).map((k) => `${k + (Math.floor(n / width) - 1) * width}`);
    const parents = n < width ? [] : random.shuffle(above).slice(0, 1 + random.below(4));
    return {
      key: `${n}`,
      kind,
      metadata,
      ...(random.chance(0.1) ? { execution: { case: "join", value: {} } } : {}),
      dependencies: after(...parents),
    };
  });
  const { batchId } = await createGraph(client(), tasks);
  while ((await client().batches.getBatch({ batchId })).batch?.endTime === undefined) {
    if (random.chance(0.3)) await tryOut(client(), tasks);
    const taken = await claim(client(), kind, 1 + random.below(20));
    if (taken.length > 0) await report(client(), taken, random.chance(0.05) ? "failure" : "success");
  }
}

/** Lets a creation be tried and rolled back: it has drawn a number of the feed, which stays a gap. */
export async function tryOut(client: MillpondClient, tasks: readonly TaskInit[]): Promise<void> {
  await client.tasks.createTasks({
    validateOnly: true,
    tasks: tasks.map((task) => ({ ...task, name: task.key, kind: task.kind ?? "" })),
  });
}
