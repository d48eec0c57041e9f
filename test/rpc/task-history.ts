import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Event,
  FailureCause,
  type ReportResult,
  type Task,
  type TaskAttempt,
  type TaskReport_Failure,
  type TaskReportSchema,
  TaskStatus,
} from "@millpond/sdk";
import { feedsCaughtUp } from "../support/feeds-caught-up.ts";
import { eventually, newKind, type SharedServer, type TaskInit } from "./shared-server.ts";

/** An attempt as its executor names it. */
export interface AttemptRef {
  readonly taskId: string;
  readonly attempt: number;
}

/** What a failure report may say. */
export type FailureInit = Partial<Pick<TaskReport_Failure, "message" | "code" | "nonRetryable">> & {
  readonly retryDelayMs?: number;
};

/** What tests of attempts and of times do with a server: claim, fail, and read what became of a task. */
export interface TaskHistory {
  /** Claims the task of a kind, waiting for it, and names its attempt. */
  claim(kind: string, workerId?: string): Promise<AttemptRef>;
  fail(attempt: AttemptRef, failure?: FailureInit): Promise<ReportResult>;
  report(attempt: AttemptRef, how: "success" | "heartbeat" | "started"): Promise<ReportResult>;
  attempts(taskId: string): Promise<TaskAttempt[]>;
  /** The attempts of a task, one line each: number, what it came to, and the cause of a failure. */
  outcomes(taskId: string): Promise<string[]>;
  /** Creates one task, of a kind of its own. */
  single(task?: TaskInit): Promise<{ kind: string; taskId: string; batchId: string }>;
  /** Waits until a task is in a status. */
  reaches(taskId: string, status: keyof typeof TaskStatus): Promise<Task>;
  /** All events of a task that are committed now, in order. */
  events(taskId: string): Promise<Event[]>;
  /** Every change of a task's status, one line each: from, to, attempt, and the cause of a failure. */
  transitions(taskId: string): Promise<string[]>;
}

/** Makes the tools for a server that runs while they are used. */
export function taskHistory(server: SharedServer): TaskHistory {
  type ReportInit = MessageInitShape<typeof TaskReportSchema>;
  const send = async (report: ReportInit): Promise<ReportResult> => {
    const [result] = (await server.client.tasks.reportTasks({ reports: [report] })).results;
    if (result === undefined) throw new Error("a report had no result");
    return result;
  };
  const events: TaskHistory["events"] = async (taskId) => {
    await feedsCaughtUp(server.setup.database.url, [server.url]);
    const found: Event[] = [];
    for (let cursor = ""; ; ) {
      const page = await server.client.events.listEvents({ filter: { taskIds: [taskId] }, cursor });
      found.push(...page.events);
      if (page.events.length === 0) return found;
      cursor = page.nextCursor;
    }
  };
  const attempts: TaskHistory["attempts"] = async (taskId) => (await server.client.tasks.getTask({ taskId })).attempts;
  return {
    ...{ events, attempts },
    outcomes: async (taskId) =>
      (await attempts(taskId)).map(
        ({ attempt, status, failure }) => `${attempt} ${TaskStatus[status]} ${FailureCause[failure?.cause ?? 0]}`,
      ),
    single: async (task = {}) => {
      const kind = newKind();
      const { ids, batchId } = await server.graph([{ key: "a", name: "a", kind, ...task }]);
      return { kind, taskId: ids.a ?? "", batchId };
    },
    claim: async (kind, workerId = "w") => {
      const [assignment] = await server.claim(kind, { waitMs: 15_000, workerId });
      if (assignment === undefined) throw new Error(`no task of kind ${kind} came`);
      return { taskId: assignment.task?.taskId ?? "", attempt: assignment.attempt };
    },
    fail: (attempt, { retryDelayMs, ...failure } = {}) => {
      const retryDelay = retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) };
      return send({ ...attempt, report: { case: "failure", value: { ...failure, ...retryDelay } } });
    },
    report: (attempt, how) => send({ ...attempt, report: { case: how, value: {} } }),
    reaches: (taskId, status) =>
      eventually(async () => {
        const task = await server.task(taskId);
        return TaskStatus[task.status] === status ? task : undefined;
      }, `the task to be ${status}`),
    transitions: async (taskId) =>
      (await events(taskId)).flatMap(({ payload }) => {
        if (payload.case !== "taskStatusChanged") return [];
        const { from, to, attempt, failure } = payload.value;
        const cause = failure === undefined ? "" : ` ${FailureCause[failure.cause]}`;
        return [`${TaskStatus[from]} -> ${TaskStatus[to]} ${attempt}${cause}`];
      }),
  };
}

/** The milliseconds of a time that must be there. */
export function msOf(time: Timestamp | undefined): number {
  if (time === undefined) throw new Error("there is no time");
  return timestampMs(time);
}

/** From one time to another, in milliseconds, exactly. */
export function between(from: Timestamp | undefined, to: Timestamp | undefined): number {
  if (from === undefined || to === undefined) throw new Error("there is no time");
  return Number(to.seconds - from.seconds) * 1000 + (to.nanos - from.nanos) / 1e6;
}

/** The name of the cause of a task's failure. */
export function causeOf({ failure }: Task): string {
  return FailureCause[failure?.cause ?? 0] ?? "";
}
