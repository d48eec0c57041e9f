import type { Parent, Task, TaskAssignment } from "../domain/task.ts";
import { firstAttempt } from "./assigned-tasks.ts";
import { parseMicros } from "./pg-types.ts";

const int8Fields = [
  ...["id", "batchId", "successCount", "failureCount", "expectedCount"],
  ...["inactivityTimeoutMs", "executionTimeoutMs", "totalTimeoutMs"],
] as const;
const timeFields = ["startTime", "leaseUntil", "claimTime", "runTime", "activityTime", "createTime"] as const;

type Fields = Record<string, unknown>;

/** Reads what `mp_handed_over` answers: what workers are handed of tasks that a transaction has started, in their order. */
export function parseHandedOver(text: string): TaskAssignment[] {
  const rows = JSON.parse(text) as { task: Fields; parents: Fields[] }[];
  const bytes = Math.ceil(text.length / rows.length);
  return rows.map(({ task, parents }) => {
    for (const name of int8Fields) task[name] = bigintOf(task[name]);
    for (const name of timeFields) task[name] = task[name] === null ? null : parseMicros(task[name] as string);
    task.parents = task.parents === null ? null : (task.parents as string[]).map(BigInt);
    const handed = { ...task, ...firstAttempt } as unknown as Task;
    return { task: handed, parents: parents.map((parent) => parentOf(parent, handed.id)), bytes };
  });
}

function parentOf({ id, batchId, key, status, output }: Fields, child: bigint): Parent {
  const fields = { key, status, output, child, outputOmitted: false } as Omit<Parent, "id" | "batchId">;
  return { ...fields, id: BigInt(id as string), batchId: BigInt(batchId as string) };
}

function bigintOf(value: unknown): bigint | null {
  return value === null ? null : BigInt(value as string);
}
