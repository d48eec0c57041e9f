import assert from "node:assert/strict";
import { type Event, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { hasEnded, judge, type ReferenceModel } from "./reference-model.ts";

/** Reads all events of some batches, in pages. */
export async function readHistory(client: MillpondClient, batchIds: readonly string[], pageSize = 0): Promise<Event[]> {
  const events: Event[] = [];
  let cursor = "";
  for (;;) {
    const page = await client.events.listEvents({ filter: { batchIds: [...batchIds] }, cursor, pageSize });
    if (page.events.length === 0) return events;
    events.push(...page.events);
    cursor = page.nextCursor;
  }
}

/**
 * Replays a history against the graph that a model knows: each change begins where the one before ended, a task goes on only when its
 * dependencies allow it as they stand at that place of the feed, and the end is what the model says.
 */
export function checkHistory(
  events: readonly Event[],
  model: ReferenceModel,
  taskIds: ReadonlyMap<string, string>,
): void {
  const names = new Map([...taskIds].map(([name, id]) => [id, name]));
  const now = new Map<string, TaskStatus>();
  for (const { taskId, eventId, payload } of events) {
    const name = names.get(taskId) ?? "";
    if (payload.case === "taskCreated") {
      assert.ok(!now.has(name), `${name} is created once (${eventId})`);
      now.set(name, payload.value.status);
    } else if (payload.case === "taskStatusChanged") {
      const { from, to } = payload.value;
      assert.equal(from, now.get(name), `${name} goes on from where it was (${eventId})`);
      assert.ok(!hasEnded(from), `${name} had ended (${eventId})`);
      if (from === TaskStatus.WAITING) checkRelease({ name, to, model, now, eventId });
      now.set(name, to);
    }
  }
  for (const [name, task] of model.tasks) assert.equal(now.get(name), task.status, `the end of the history of ${name}`);
}

interface Release {
  readonly name: string;
  readonly to: TaskStatus;
  readonly model: ReferenceModel;
  readonly now: ReadonlyMap<string, TaskStatus>;
  readonly eventId: string;
}

/** Checks that a task that stops waiting has the reason for it among the events before. */
function checkRelease({ name, to, model, now, eventId }: Release): void {
  if (to === TaskStatus.CANCELED) return;
  const task = model.tasks.get(name);
  const verdicts = task?.parents.map((parent) =>
    judge(now.get(parent.name) ?? TaskStatus.UNSPECIFIED, parent.condition, task.unmetPolicy),
  );
  const where = `${name} becomes ${TaskStatus[to]} (${eventId}), dependencies: ${verdicts}`;
  if (to === TaskStatus.FAILURE) assert.ok(verdicts?.includes("fail"), where);
  else assert.ok(!verdicts?.includes("unsettled") && !verdicts?.includes("fail"), where);
  assert.equal(to === TaskStatus.SKIPPED, to !== TaskStatus.FAILURE && verdicts?.includes("skip"), where);
}
