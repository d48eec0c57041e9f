import type { PackedTasks } from "../domain/packed-tasks.ts";
import type { Batch } from "../domain/task.ts";
import type { AnsweredCounts } from "../store/create-tasks.ts";
import { createInParts, smallGraphTasksMax } from "./create-large-graph.ts";
import { type CreatedTasks, type CreateTasks, createTasks } from "./create-tasks.ts";
import type { Engine } from "./engine.ts";

/** UploadTasks: a graph of any size, in a new batch or into an open one. */
export interface UploadTasks extends Pick<CreateTasks, "requestId" | "bodyHash" | "target"> {
  readonly tasks: PackedTasks;
}

/** What was created: the batch, and how many tasks. */
export interface UploadedTasks extends AnsweredCounts {
  readonly batch: Batch;
}

/** Creates a graph as {@link createTasks} does, and fails with the same; of a large one that needs nothing but its rows, neither all tasks nor all rows are in memory together, but for those that waiting workers are about to take. */
export async function uploadTasks(engine: Engine, command: UploadTasks): Promise<UploadedTasks> {
  const { target, tasks } = command;
  if (target.case === "newBatch" && tasks.length > smallGraphTasksMax) {
    const created = await createInParts(engine, { ...command, target, answers: "counts" });
    if (created !== undefined) return countsOf(created);
  }
  const unpacked = { ...command, tasks: tasks.unpack(), validateOnly: false, answers: "counts" } as const;
  return countsOf(await createTasks(engine, unpacked));
}

function countsOf({ batch, counts, tasks }: CreatedTasks): UploadedTasks {
  const deduplicated = tasks.filter((task) => task.deduplicated).length;
  return { batch, ...(counts ?? { created: tasks.length - deduplicated, deduplicated }) };
}
