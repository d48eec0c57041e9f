import { expect, test } from "vitest";
import { BenchContext } from "../../bench/support/bench-context.ts";
import type { BenchmarkPostgres } from "../../bench/support/benchmark-postgres.ts";
import { prepareEndedTasks } from "../../bench/support/ended-tasks.ts";
import { withClient } from "../../bench/support/table-sizes.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { createTestDatabase } from "../support/database.ts";

test("the ended tasks that a benchmark prepares are like those that the engine leaves", async () => {
  const database = await createTestDatabase();
  const context = new BenchContext({
    ...{ caseName: "ended", folder: "", quick: true, ended: 6_000, arcRun: undefined, profileDir: undefined },
    // What the preparation asks of it: there is no data folder whose disk could be looked at.
    postgres: { dataDir: undefined } as BenchmarkPostgres,
    signal: new AbortController().signal,
    progress: () => {},
  });
  try {
    await prepareEndedTasks(context, database.url, 6_000);
    await checkInvariants(database.url);
    const { rows } = await withClient(database.url, (client) =>
      client.query(`select count(*)::int tasks, count(distinct create_time)::int > 2 as "ofManyTimes",
        (select count(*)::int from task_state where status = 6 and end_time is not null) ended from task`),
    );
    expect(rows).toEqual([{ tasks: 8_000, ofManyTimes: true, ended: 8_000 }]);
  } finally {
    await context[Symbol.asyncDispose]();
    await database.drop();
  }
});
