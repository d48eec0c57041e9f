import { setTimeout as delay } from "node:timers/promises";
import { createClient, createCounter, type MillpondClient } from "@millpond/sdk";
import { range } from "../engine/two-servers.ts";
import { until } from "../support/until.ts";
import { insist } from "./insist.ts";

/** Producers that count as fast as they may, and what each task must have come to. */
export interface Counting {
  /** How many counts there have been. */
  counted(): number;
  /** How often a producer lost its connection. */
  interruptions(): number;
  /** Waits for so many counts more. */
  goesOn(more: number): Promise<void>;
  /** Ends the producers, once all that they have counted is durable, and says which tasks differ from it. */
  finish(client: MillpondClient): Promise<string[]>;
}

/** Starts producers, each with a connection of its own to one of some servers, that count over running tasks of one kind; `kind` has not been used. */
export async function startCounting(options: {
  readonly client: MillpondClient;
  readonly urls: readonly string[];
  readonly producers: number;
  readonly tasks: number;
}): Promise<Counting> {
  const kind = "counting";
  const created = await insist(() =>
    options.client.tasks.createTasks({ tasks: range(options.tasks).map((n) => ({ name: `task ${n}`, kind })) }),
  );
  const taskIds = created.tasks.map(({ taskId }) => taskId);
  const totals = taskIds.map(() => ({ successes: 0n, failures: 0n }));
  const over = new AbortController();
  let [counted, interruptions] = [0, 0];
  const producing = range(options.producers).map(async (place) => {
    const client = createClient({ address: options.urls[place % options.urls.length] ?? "" });
    const counter = createCounter({ client, onInterrupted: () => interruptions++ });
    for (let n = place; !over.signal.aborted; n += 1) {
      const at = (n * 13) % taskIds.length;
      const total = totals[at] as (typeof totals)[number];
      const isGood = n % 3 > 0;
      if (isGood) total.successes += 1n;
      else total.failures += 1n;
      counted += 1;
      await counter.count(taskIds[at] ?? "", isGood ? { success: 1 } : { failure: 1 });
      if (n % 20 === 0) await delay(1);
    }
    await counter.close();
    client.close();
  });
  const all = Promise.all(producing);
  // It is awaited at the end.
  all.catch(() => {});
  return {
    counted: () => counted,
    interruptions: () => interruptions,
    goesOn: (more) => {
      const goal = counted + more;
      return until(`there are ${more} more counts`, () => counted >= goal);
    },
    finish: async (client) => {
      over.abort();
      await all;
      const differing: string[] = [];
      for (const [n, taskId] of taskIds.entries()) {
        const { task } = await insist(() => client.tasks.getTask({ taskId }));
        const { successes = 0n, failures = 0n } = totals[n] ?? {};
        const found = `${task?.successCount} and ${task?.failureCount}`;
        if (found !== `${successes} and ${failures}`)
          differing.push(`task ${n}: ${found}, not ${successes} and ${failures}`);
      }
      return differing;
    },
  };
}
