import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BatchSchema, BatchStatus, type EventSchema, TaskStatus, WatchEventsResponseSchema } from "@millpond/sdk";
import { expect, test } from "vitest";
import { RunRecord } from "../../src/cli/run/run-record.ts";
import { summarize } from "../../src/cli/run/run-summary.ts";
import type { Workflow } from "../../src/cli/run/workflow-file.ts";

const task = (id: string, ...parents: string[]) => ({ id, name: id, kind: "k", parents, runtimeSeconds: 1 });
const workflow: Workflow = { name: "w", source: "", tasks: [task("a"), task("b"), task("c", "a", "b")] };

type Change = readonly [id: string, to: TaskStatus, timeMs: number];

/** A run in which these changes were told, in this order. */
function summaryOf(changes: readonly Change[], status = BatchStatus.SUCCESS) {
  const record = new RunRecord(workflow, ["id-a", "id-b", "id-c"]);
  for (const [id, to, timeMs] of changes) {
    const event: MessageInitShape<typeof EventSchema> = {
      taskId: `id-${id}`,
      eventTime: timestampFromMs(timeMs),
      payload: { case: "taskStatusChanged", value: { to } },
    };
    record.take(create(WatchEventsResponseSchema, { message: { case: "events", value: { events: [event] } } }));
  }
  const batch = create(BatchSchema, { batchId: "batch", status, stats: { byStatus: { SUCCESS: 3n } } });
  return summarize(workflow, 2, { batchId: "batch", batch, record, wallMs: 1_500 });
}

const { RUNNING, SUCCESS, FAILURE } = TaskStatus;
const parentsDone: Change[] = [
  ["a", RUNNING, 0],
  ["b", RUNNING, 0],
  ["a", SUCCESS, 100],
  ["b", SUCCESS, 200],
];

test("overhead is the time from the last parent's success to the child's start", () => {
  const summary = summaryOf([...parentsDone, ["c", RUNNING, 203], ["c", SUCCESS, 300]]);
  expect(summary).toMatchObject({
    status: "SUCCESS",
    tasks: 3,
    tasks_by_status: { SUCCESS: 3 },
    wall_seconds: 1.5,
    recorded_seconds: 3,
    critical_path: { tasks: 2, seconds: 2, first: "a", last: "c" },
    overhead_ms: { tasks: 1, p50: 3, p99: 3, max: 3 },
    dependencies: { checked: 2, violations: [] },
  });
});

test("a child that started before a parent's success, by the clock, is a violation", () => {
  const { dependencies } = summaryOf([...parentsDone, ["c", RUNNING, 150]]);
  expect(dependencies.violations).toEqual(["c started 50.000 ms before b succeeded"]);
});

test("a child that the feed tells before its parent is a violation though the clock agrees", () => {
  const { dependencies } = summaryOf([
    ["a", SUCCESS, 100],
    ["c", RUNNING, 200],
    ["b", SUCCESS, 200],
  ]);
  expect(dependencies.violations).toEqual(["c started, in the feed, before b succeeded"]);
});

test("a child that started though a parent failed is a violation", () => {
  const { dependencies } = summaryOf([
    ["a", SUCCESS, 100],
    ["b", FAILURE, 100],
    ["c", RUNNING, 200],
  ]);
  expect(dependencies.violations).toEqual(["c started though b is FAILURE"]);
});

test("a retry does not move the start", () => {
  const summary = summaryOf([...parentsDone, ["c", RUNNING, 201], ["c", TaskStatus.PENDING, 250], ["c", RUNNING, 400]]);
  expect(summary.overhead_ms.max).toBe(1);
});

test("a snapshot counts as much as events do", () => {
  const record = new RunRecord(workflow, ["id-a", "id-b", "id-c"]);
  const tasks = [
    { taskId: "id-a", status: SUCCESS, runTime: timestampFromMs(0), endTime: timestampFromMs(5) },
    { taskId: "id-b", status: RUNNING, runTime: timestampFromMs(1) },
  ];
  const batches = [{ batchId: "batch", status: BatchStatus.CANCELED }];
  record.take(create(WatchEventsResponseSchema, { message: { case: "snapshot", value: { tasks, batches } } }));
  expect(record.tasks.get("a")).toMatchObject({ status: SUCCESS, ended: { timeMs: 5 } });
  expect(record.tasks.get("b")).toMatchObject({ status: RUNNING, started: { timeMs: 1 } });
  expect(record.ended).toBe(true);
});
