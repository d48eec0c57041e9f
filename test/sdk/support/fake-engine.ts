import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  AssignmentSchema,
  type BatchService,
  BatchStatus,
  ErrorReason,
  type Event,
  EventSchema,
  type EventService,
  type ReportResult,
  ReportResultSchema,
  type Task,
  TaskFailureSchema,
  type TaskReport,
  TaskSchema,
  type TaskService,
  TaskStatus,
  type WatchEventsResponseSchema,
  type WorkerService,
} from "@millpond/sdk";

const ended: ReadonlySet<TaskStatus> = new Set([TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.CANCELED]);

/**
 * FakeEngine runs graphs in memory, one batch at a time of thinking: SUCCESS edges, claims with leases that never run
 * out, reports, cancellation and a feed. It knows only what tests of clients need.
 */
export class FakeEngine {
  readonly tasksById = new Map<string, Task>();
  readonly feed: Event[] = [];
  readonly #answersByRequestId = new Map<string, { batchId: string; taskIds: string[] }>();
  readonly #cancelRequested = new Set<string>();
  readonly #changed = new EventEmitter().setMaxListeners(0);
  /** The longest that a claim may wait, whatever it asks for. */
  claimWaitMaxMs = Number.POSITIVE_INFINITY;
  /** The calls of AppendLogs that were taken, without repetitions, and what stands in their way. */
  readonly logCalls: { taskId: string; messages: string[]; statusThen: TaskStatus }[] = [];
  beforeLog: () => void | Promise<void> = () => {};
  readonly #logRequests = new Set<string>();
  /** Which reports are answered with INVALID_FIELD. */
  refuses: (report: TaskReport) => boolean = () => false;
  /** How many CreateTasks calls created something: repeats of a request id do not. */
  created = 0;

  /** Cancels a task; its executor hears of it at its next report or extension. */
  cancel(taskId: string): void {
    const task = this.#task(taskId);
    this.#cancelRequested.add(taskId);
    this.#move(task, TaskStatus.CANCELED);
  }

  /** Takes a running task from its worker, as if the lease had run out. */
  takeBack(taskId: string): void {
    const task = this.#task(taskId);
    task.attempt++;
    this.#move(task, TaskStatus.PENDING);
  }

  statusOf(key: string): TaskStatus | undefined {
    return this.byKey(key)?.status;
  }

  byKey(key: string): Task | undefined {
    return [...this.tasksById.values()].find((task) => task.key === key);
  }

  readonly tasks: Partial<ServiceImpl<typeof TaskService>> = {
    createTasks: (request) => {
      const known = this.#answersByRequestId.get(request.requestId);
      const answer = known ?? this.#create(request);
      if (request.requestId !== "") this.#answersByRequestId.set(request.requestId, answer);
      return {
        batch: { batchId: answer.batchId, status: BatchStatus.ACTIVE },
        tasks: answer.taskIds.map((taskId) => ({ taskId, key: this.#task(taskId).key })),
      };
    },
    reportTasks: ({ reports }) => ({ results: reports.map((report) => this.#report(report)) }),
    getTask: ({ taskId }) => ({ task: this.#task(taskId) }),
  };

  readonly workers: Partial<ServiceImpl<typeof WorkerService>> = {
    claimTasks: async (request, context) => {
      const askedMs = request.waitTimeout ? durationMs(request.waitTimeout) : 0;
      const deadlineMs = performance.now() + Math.min(askedMs, this.claimWaitMaxMs);
      for (;;) {
        const ready = [...this.tasksById.values()]
          .filter(({ status, kind }) => status === TaskStatus.PENDING && request.kinds.includes(kind))
          .slice(0, request.maxTasks);
        const waitMs = deadlineMs - performance.now();
        if (ready.length > 0 || waitMs <= 0) {
          return { assignments: ready.map((task) => this.#assign(task, request.workerId)) };
        }
        await this.#nextChange(context, waitMs);
      }
    },
    appendLogs: async ({ taskId, entries, requestId }) => {
      await this.beforeLog();
      const messages = entries.map(({ message }) => message);
      const statusThen = this.#task(taskId).status;
      if (!this.#logRequests.has(requestId)) this.logCalls.push({ taskId, messages, statusThen });
      this.#logRequests.add(requestId);
      return { cancelRequested: this.#cancelRequested.has(taskId) };
    },
    extendLeases: ({ leases }) => ({
      results: leases.map((lease) => {
        const task = this.tasksById.get(lease.taskId);
        const current = task?.status === TaskStatus.RUNNING && task.attempt === lease.attempt;
        return {
          lease,
          result: current
            ? { case: "leaseExpireTime" as const, value: timestampNow() }
            : { case: "error" as const, value: { reason: ErrorReason.LEASE_LOST, message: "lease lost" } },
          cancelRequested: this.#cancelRequested.has(lease.taskId),
        };
      }),
    }),
  };

  readonly events: Partial<ServiceImpl<typeof EventService>> = {
    watchEvents: (request, context) => this.#watch(request.cursor, context),
  };

  readonly batches: Partial<ServiceImpl<typeof BatchService>> = {
    getBatch: ({ batchId }) => ({ batch: { batchId, status: BatchStatus.ACTIVE } }),
  };

  async *#watch(
    cursor: string,
    context: HandlerContext,
  ): AsyncGenerator<MessageInitShape<typeof WatchEventsResponseSchema>, void> {
    let next = cursor === "" ? this.feed.length : Number(cursor);
    yield { cursor: String(next), message: { case: "checkpoint", value: {} } };
    for (;;) {
      const event = this.feed[next];
      if (!event) await this.#nextChange(context, 60_000);
      else yield { cursor: String(++next), message: { case: "events", value: { events: [event] } } };
    }
  }

  #create(request: Parameters<NonNullable<typeof this.tasks.createTasks>>[0]) {
    this.created++;
    const batchId = randomUUID();
    const made = request.tasks.map((task) => {
      const { $typeName: _, $unknown: __, ...fields } = task;
      return create(TaskSchema, { ...fields, taskId: randomUUID(), batchId, status: TaskStatus.WAITING });
    });
    this.#append(batchId, "", {
      case: "batchStatusChanged",
      value: { from: BatchStatus.UNSPECIFIED, to: BatchStatus.ACTIVE },
    });
    for (const task of made) this.tasksById.set(task.taskId, task);
    for (const task of made) {
      const { key, name, dependencies } = task;
      if (dependencies.length === 0) task.status = TaskStatus.PENDING;
      const value = { key, name, status: task.status, parentCount: dependencies.length };
      this.#append(batchId, task.taskId, { case: "taskCreated", value }, task.kind);
    }
    return { batchId, taskIds: made.map(({ taskId }) => taskId) };
  }

  #assign(task: Task, workerId: string) {
    if (task.attempt === 0) task.attempt = 1;
    task.workerId = workerId;
    this.#move(task, TaskStatus.RUNNING);
    const parents = this.#parentsOf(task).map(({ key, taskId, status, output }) => [
      key,
      { key, taskId, status, ...(output && { output }) },
    ]);
    return create(AssignmentSchema, { task, attempt: task.attempt, parents: Object.fromEntries(parents) });
  }

  #report(report: TaskReport): ReportResult {
    const task = this.#task(report.taskId);
    const refuse = (reason: ErrorReason) =>
      create(ReportResultSchema, {
        result: { case: "error", value: { reason, message: ErrorReason[reason], currentStatus: task.status } },
        cancelRequested: this.#cancelRequested.has(task.taskId),
      });
    if (ended.has(task.status)) return refuse(ErrorReason.TASK_ENDED);
    if (report.attempt !== task.attempt) return refuse(ErrorReason.STALE_ATTEMPT);
    if (this.refuses(report)) return refuse(ErrorReason.INVALID_FIELD);
    const { report: what } = report;
    if (what.case === "success") {
      if (what.value.output) task.output = what.value.output;
      this.#move(task, TaskStatus.SUCCESS);
    } else if (what.case === "failure") {
      task.failure = create(TaskFailureSchema, { message: what.value.message, code: what.value.code });
      this.#move(task, TaskStatus.FAILURE);
    } else if (what.case === "heartbeat" && what.value.progress) {
      task.progress = what.value.progress;
    }
    return create(ReportResultSchema, { result: { case: "task", value: task } });
  }

  #move(task: Task, to: TaskStatus): void {
    const from = task.status;
    task.status = to;
    const { attempt, workerId } = task;
    this.#append(
      task.batchId,
      task.taskId,
      { case: "taskStatusChanged", value: { from, to, attempt, workerId } },
      task.kind,
    );
    if (!ended.has(to)) return;
    const siblings = [...this.tasksById.values()].filter(({ batchId }) => batchId === task.batchId);
    for (const child of siblings) {
      if (child.status !== TaskStatus.WAITING || !this.#parentsOf(child).includes(task)) continue;
      if (to !== TaskStatus.SUCCESS) this.#move(child, TaskStatus.FAILURE);
      else if (this.#parentsOf(child).every(({ status }) => status === TaskStatus.SUCCESS)) {
        this.#move(child, TaskStatus.PENDING);
      }
    }
    if (siblings.every(({ status }) => ended.has(status))) this.#endBatch(task.batchId, siblings);
  }

  #endBatch(batchId: string, tasks: readonly Task[]): void {
    if (this.feed.at(-1)?.payload.case === "batchStatusChanged") return;
    const to = tasks.some(({ status }) => status === TaskStatus.FAILURE) ? BatchStatus.FAILURE : BatchStatus.SUCCESS;
    this.#append(batchId, "", { case: "batchStatusChanged", value: { from: BatchStatus.ACTIVE, to } });
  }

  #parentsOf(task: Task): Task[] {
    return task.dependencies.flatMap(({ parent }) => {
      const found = [...this.tasksById.values()].find(
        ({ key, batchId }) => batchId === task.batchId && key === parent.value,
      );
      return found ? [found] : [];
    });
  }

  #append(
    batchId: string,
    taskId: string,
    payload: NonNullable<Parameters<typeof create<typeof EventSchema>>[1]>["payload"],
    kind = "",
  ): void {
    const eventId = String(this.feed.length + 1).padStart(12, "0");
    this.feed.push(
      create(EventSchema, { eventId, eventTime: timestampNow(), batchId, taskId, kind, ...(payload && { payload }) }),
    );
    this.#changed.emit("change");
  }

  async #nextChange(context: HandlerContext, waitMs: number): Promise<void> {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(Math.ceil(waitMs))]);
    await once(this.#changed, "change", { signal }).catch(() => context.signal.throwIfAborted());
  }

  #task(taskId: string): Task {
    const task = this.tasksById.get(taskId);
    if (!task) throw new Error(`no task ${taskId}`);
    return task;
  }
}
