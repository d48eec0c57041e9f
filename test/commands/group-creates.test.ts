import pg from "pg";
import { expect, test } from "vitest";
import { createGraphGroups } from "../../src/commands/group-creates.ts";
import type { Database } from "../../src/store/database.ts";
import { GivenTasks } from "../../src/store/given-tasks.ts";
import { graphRows } from "../store/graph-rows.ts";
import { graphWith } from "../store/plan-tables.ts";

/** The place of the workers among the values of the statement, from its end: leases, lanes, flows and what is limited follow. */
const workersFromEnd = -5;

/** Groups over a database that refuses each start of a task with rules, while `refuses` says so; a worker waits. */
function groups(refuses: () => boolean = () => true) {
  const starts: boolean[] = [];
  const write: Database["write"] = async (_, values) => {
    const workers = values.at(workersFromEnd) as (number | null)[] | null;
    const lanes = values.at(workersFromEnd + 2) as (bigint | null)[] | null;
    // Of workers that are all the same, there is one.
    const workerOf = (n: number) => workers?.[Math.min(n, workers.length - 1)] ?? null;
    const asks = lanes?.some((lane, n) => lane !== null && workerOf(n) !== null) ?? false;
    starts.push(asks);
    if (asks && refuses()) throw Object.assign(new pg.DatabaseError("no room", 0, "error"), { code: "MP006" });
    return [{ o_time: 0, o_answered: null, o_ready: [] }] as never;
  };
  const settled: number[] = [];
  const calls = createGraphGroups({
    db: { write } as Database,
    committed: () => {},
    given: new GivenTasks(),
    places: {
      size: 1_000,
      reserve: ({ max }) => ({
        pools: [{ queues: [1], places: Array(max).fill({ worker: 1, leaseMs: 60_000 }) }],
        settle: (started) => settled.push(started.length),
      }),
    },
  });
  return { calls, starts, settled };
}

const ruled = () => graphWith({ size: 2 }, () => ({ lane: 7n }));

test("a start that is refused is written again without, and its places are free meanwhile", async () => {
  const { calls, starts, settled } = groups();
  const graph = graphWith({ size: 3 }, (_, n) => ({ lane: n === 0 ? null : 7n }));
  const { batch } = await calls.submit(graph);
  expect(starts).toEqual([true, false]);
  expect(settled).toEqual([0, 1]);
  expect([batch.byStatus[1], batch.byStatus[3]]).toEqual([2, 1]);
});

test("while starts of tasks with rules are refused, most groups are written without asking for them", async () => {
  const { calls, starts } = groups();
  for (let n = 0; n < 16; n += 1) await calls.submit(ruled());
  expect(starts.filter((asks) => asks).length).toBe(5);
  expect(starts.length).toBe(16 + 5);
});

test("when they are granted again, each group asks, also after the next refusal", async () => {
  let refuses = true;
  const { calls, starts } = groups(() => refuses);
  for (let n = 0; n < 16; n += 1) await calls.submit(ruled());
  refuses = false;
  // Before so many have been written, one has asked.
  for (let n = 0; n < 64; n += 1) await calls.submit(ruled());
  starts.length = 0;
  for (let n = 0; n < 4; n += 1) await calls.submit(ruled());
  expect(starts).toEqual([true, true, true, true]);
  refuses = true;
  starts.length = 0;
  for (let n = 0; n < 2; n += 1) await calls.submit(ruled());
  expect(starts).toEqual([true, false, true, false]);
});

test("of tasks with rules that only claims look at, no start is asked for", async () => {
  const { calls, starts, settled } = groups();
  await calls.submit(graphWith({ size: 2 }, () => ({ lane: 7n, countsHolders: false })));
  await calls.submit(graphRows({ size: 2 }));
  expect([starts, settled]).toEqual([[false, false], [2]]);
});
