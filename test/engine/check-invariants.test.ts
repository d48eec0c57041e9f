import { expect, test } from "vitest";
import { findBrokenLaws } from "../support/check-invariants.ts";
import { withClient } from "../support/template-database.ts";
import { after, claim, createGraph, report, startTwoServers } from "./two-servers.ts";

/** What somebody could break, and the law that must say so. */
const damages: readonly [law: string, damage: string][] = [
  ["the counters of a batch", "update batch_state set success_count = 1"],
  ["a batch has ended exactly when", "update batch_state set end_time = now(), status = 3 where waiting > 0"],
  ["deps_left of a waiting task", "update task_state set deps_left = deps_left + 1 where status = 1"],
  [
    "a waiting task has no parent that",
    "update task_state set status = 7, end_time = now(), lease_until = null where status = 4",
  ],
  ["an edge from a parent that has not ended", "update task set children = null where key = 'b'"],
  ["ready (or parked", "delete from ready"],
  ["a timer looks after every total timeout", "update task_state set total_deadline = now() where status = 4"],
  ["the batches that are held", "insert into paused_batch select batch_id from batch_state"],
  ["a batch and a task that has ended have", "update task_state set notifies = 1 where status = 6"],
  ["a timer looks after every attempt", "delete from timer"],
  ["a task has a time of end", "update task_state set lease_until = now() where status = 6"],
  ["the changes of a task are a chain", "delete from event_tx where seq = (select max(seq) from event_tx)"],
  [
    "no effect stands in the feed before its cause",
    "update event_tx set to_statuses = array_replace(to_statuses, 6::smallint, 4::smallint)",
  ],
  ["a log holds what its calls", "update log_part set lines = lines + 1"],
  ["a log holds what its calls", "update task_log set bytes = 0"],
  ["a log holds what its calls", "delete from task_log"],
  ["a task that was released had every condition", "update task_state set status = 8 where status = 6"],
];

test("each law of the tables notices what breaks it", async () => {
  await using s = await startTwoServers();
  await createGraph(s.a, [
    { key: "a" },
    { key: "b", kind: "long", dependencies: after("a") },
    { key: "c", kind: "next", dependencies: after("a") },
    { key: "d", kind: "next", dependencies: after("b") },
  ]);
  const [first = ""] = await claim(s.a, "work");
  await s.a.workers.appendLogs({ taskId: first, entries: [{ message: "a line" }] });
  await report(s.a, [first]);
  await claim(s.b, "long");
  await withClient(s.databaseUrl, async (client) => {
    expect(await findBrokenLaws(client)).toEqual([]);
    for (const [law, damage] of damages) {
      await client.query("begin");
      await client.query(damage);
      const broken = await findBrokenLaws(client);
      expect(broken.filter((each) => each.startsWith(law)).length, `${damage}: ${broken}`).toBe(1);
      await client.query("rollback");
    }
  });
  await s.finish();
});
