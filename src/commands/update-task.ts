import { invalidField, MillpondError } from "../domain/errors.ts";
import type { Task } from "../domain/task.ts";
import { hasEnded, TaskStatus, taskStatusName } from "../domain/task-status.ts";
import { type EditableTask, type UpdatableField, updatableFields } from "../domain/updatable-fields.ts";
import { retryTaken } from "../store/requests.ts";
import { getTasks } from "../store/tasks.ts";
import { updateTask as writeUpdate } from "../store/update-task.ts";
import type { Engine } from "./engine.ts";
import { finish } from "./follow-ups.ts";
import { taskEnded } from "./report-tasks.ts";

/** UpdateTask. `edit` makes of the task as it stands what it is to be, and throws what is wrong with that. */
export interface UpdateTask {
  readonly requestId: string | undefined;
  readonly bodyHash: Buffer;
  readonly id: bigint;
  readonly fields: readonly UpdatableField[];
  readonly edit: (task: Task) => EditableTask;
  /** Refuses a task that is not as its caller has read it. */
  readonly checkEtag: (task: Task) => void;
}

/**
 * Changes a task that has not ended, in one transaction; answers it as it stands then. Fails with TASK_NOT_FOUND, TASK_ENDED, ETAG_MISMATCH,
 * REQUEST_ID_REUSED, and ILLEGAL_TRANSITION for the priority of one that has been claimed.
 */
export async function updateTask(engine: Engine, command: UpdateTask): Promise<Task> {
  const { requestId, bodyHash, id } = command;
  const request = { namespaceId: engine.namespaceId, requestId, bodyHash };
  const outcome = await retryTaken(() =>
    writeUpdate(engine.db, request, {
      id,
      edit: (task) => {
        if (task === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
        checkUpdatable(task, command);
        return {
          task: command.edit(task),
          fields: command.fields.reduce((bits, field) => bits | updatableFields[field], 0),
        };
      },
    }),
  );
  await finish(engine, outcome);
  const [task] = await getTasks(engine.db, engine.namespaceId, [id]);
  if (task === undefined) throw new MillpondError("TASK_NOT_FOUND", "there is no such task");
  return task;
}

function checkUpdatable(task: Task, command: UpdateTask): void {
  command.checkEtag(task);
  if (hasEnded(task.status)) throw taskEnded(task.status);
  if (command.fields.length === 0) throw invalidField("update_mask", "names no field");
  const isOwned = task.status === TaskStatus.CLAIMED || task.status === TaskStatus.RUNNING;
  if (isOwned && command.fields.includes("priority")) {
    const status = taskStatusName(task.status);
    throw new MillpondError("ILLEGAL_TRANSITION", `the priority of a task that is ${status} cannot change any more`, {
      metadata: { from: status, to: status },
    });
  }
}
