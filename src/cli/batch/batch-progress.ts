import { type Batch, BatchStatus, type Event, TaskStatus, type WatchEventsResponse } from "@millpond/sdk";
import type { ProgressSource } from "../terminal/progress-table.ts";

/** BatchTask is where one task of a batch stands. */
export interface BatchTask {
  readonly taskId: string;
  /** The key, or else the name. */
  readonly label: string;
  readonly kind: string;
  status: TaskStatus;
  /** Why it failed, or was canceled. */
  reason: string;
}

const endedBatch: ReadonlySet<BatchStatus> = new Set([BatchStatus.SUCCESS, BatchStatus.FAILURE, BatchStatus.CANCELED]);

/** BatchProgress keeps what a watch of one batch with a snapshot tells: where each task stands, and the batch. */
export class BatchProgress implements ProgressSource {
  readonly tasks = new Map<string, BatchTask>();
  batchStatus: BatchStatus = BatchStatus.UNSPECIFIED;

  /** The batch has ended. */
  get ended(): boolean {
    return endedBatch.has(this.batchStatus);
  }

  /** Takes one message of the watch. */
  take({ message }: WatchEventsResponse): void {
    if (message.case === "snapshot") {
      for (const { taskId, key, name, kind, status } of message.value.tasks) {
        this.tasks.set(taskId, { taskId, label: key || name, kind, status, reason: "" });
      }
      for (const batch of message.value.batches) this.#takeBatch(batch);
    } else if (message.case === "events") {
      for (const event of message.value.events) this.#takeEvent(event);
    }
  }

  #takeBatch({ status }: Batch): void {
    this.batchStatus = status;
  }

  #takeEvent({ taskId, kind, payload }: Event): void {
    if (payload.case === "batchStatusChanged") this.batchStatus = payload.value.to;
    else if (payload.case === "taskCreated") {
      const { key, name, status } = payload.value;
      this.tasks.set(taskId, { taskId, label: key || name, kind, status, reason: "" });
    } else if (payload.case === "taskStatusChanged") {
      const task = this.tasks.get(taskId);
      if (!task) return;
      const { to, failure, cancelReason } = payload.value;
      task.status = to;
      task.reason = to === TaskStatus.SUCCESS ? "" : failure?.message || cancelReason;
    }
  }
}
