import {
  type Batch,
  BatchStatus,
  type Event,
  type Task,
  TaskStatus,
  type TaskStatusChanged,
  type WatchEventsResponse,
} from "@millpond/sdk";
import type { Workflow } from "./workflow-file.ts";

/** A moment in the feed: the event's own time in milliseconds, and its place among all that was seen. */
export interface Moment {
  readonly timeMs: number;
  readonly place: number;
}

/** TaskRecord is what the feed told of one task. */
export interface TaskRecord {
  readonly id: string;
  readonly kind: string;
  readonly parents: readonly string[];
  status: TaskStatus;
  /** Its first RUNNING. */
  started?: Moment;
  /** Its end. */
  ended?: Moment;
  /** Why it failed or was canceled; absent: it was not. */
  reason?: string;
}

const endedTask: ReadonlySet<TaskStatus> = new Set([
  TaskStatus.SUCCESS,
  TaskStatus.FAILURE,
  TaskStatus.CANCELED,
  TaskStatus.SKIPPED,
]);
const endedBatch: ReadonlySet<BatchStatus> = new Set([BatchStatus.SUCCESS, BatchStatus.FAILURE, BatchStatus.CANCELED]);

/** RunRecord keeps what WatchEvents tells of one batch: the state of each task and when it started and ended. */
export class RunRecord {
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  batchStatus: BatchStatus = BatchStatus.ACTIVE;
  #places = 0;
  readonly #byTaskId = new Map<string, TaskRecord>();

  /** `taskIds` are the server's ids of the workflow's tasks, in the workflow's order. */
  constructor(workflow: Workflow, taskIds: readonly string[]) {
    this.tasks = new Map(
      workflow.tasks.map(({ id, kind, parents }) => [id, { id, kind, parents, status: TaskStatus.WAITING }]),
    );
    for (const [index, task] of [...this.tasks.values()].entries()) this.#byTaskId.set(taskIds[index] ?? "", task);
  }

  /** The batch has ended. */
  get ended(): boolean {
    return endedBatch.has(this.batchStatus);
  }

  /** Takes one message of the watch. */
  take({ message }: WatchEventsResponse): void {
    if (message.case === "snapshot") {
      for (const task of message.value.tasks) this.#takeTask(task);
      for (const batch of message.value.batches) this.#takeBatch(batch);
    } else if (message.case === "events") {
      for (const event of message.value.events) this.#takeEvent(event);
    }
  }

  #takeTask(task: Task): void {
    const record = this.#byTaskId.get(task.taskId);
    if (!record) return;
    const place = this.#places++;
    record.status = task.status;
    if (task.runTime) record.started ??= { timeMs: milliseconds(task.runTime), place };
    if (task.endTime) record.ended = { timeMs: milliseconds(task.endTime), place };
  }

  #takeBatch(batch: Batch): void {
    this.batchStatus = batch.status;
  }

  #takeEvent({ taskId, eventTime, payload }: Event): void {
    const moment = { timeMs: eventTime ? milliseconds(eventTime) : 0, place: this.#places++ };
    if (payload.case === "batchStatusChanged") this.batchStatus = payload.value.to;
    const record = this.#byTaskId.get(taskId);
    if (record && payload.case === "taskStatusChanged") this.#takeChange(record, payload.value, moment);
  }

  #takeChange(record: TaskRecord, { to, failure, cancelReason }: TaskStatusChanged, moment: Moment): void {
    record.status = to;
    if (to === TaskStatus.RUNNING) record.started ??= moment;
    if (!endedTask.has(to)) return;
    record.ended = moment;
    const reason = failure?.message || cancelReason;
    if (reason) record.reason = reason;
  }
}

/** The moment of a timestamp, with the microseconds that a Date would drop. */
function milliseconds({ seconds, nanos }: { seconds: bigint; nanos: number }): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}
