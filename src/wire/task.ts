import { create, fromJsonString, type MessageInitShape } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { IdCodec } from "../domain/ids.ts";
import type { AttemptRecord, Parent, Task, TaskState } from "../domain/task.ts";
import { Execution, FailureCause, TaskStatus } from "../domain/task-status.ts";
import {
  JoinExecutionSchema,
  NewTaskSchema,
  type TaskAttempt,
  TaskAttemptSchema,
  type TaskFailure,
  TaskFailureSchema,
  type Task as TaskMessage,
  TaskSchema,
  WorkerExecutionSchema,
} from "../gen/millpond/v1/task_pb.ts";
import { type Assignment, AssignmentSchema } from "../gen/millpond/v1/worker_pb.ts";
import { duration, optionalTimestamp, timestamp } from "./time.ts";

/** What names the numbers of rows. */
export interface Names {
  readonly ids: IdCodec;
  kindOf(queue: number): string;
  workerOf(worker: number): string;
}

/** Writes a task. */
export function encodeTask(task: Task, names: Names): TaskMessage {
  return create(TaskSchema, {
    ...stateFields(task, names),
    ...{ key: task.key ?? "", name: task.name, unmetPolicy: task.unmetPolicy as never },
    dependencies: (task.parents ?? []).map((parent, n) => ({
      parent: { case: "taskId" as const, value: names.ids.encode(parent) },
      condition: (task.parentConditions?.[n] ?? 1) as never,
    })),
    ...(task.metadata === null ? {} : { metadata: task.metadata as never }),
    ...jsonField("input", task.input),
    startTimeout: duration(task.startTimeoutMs),
    inactivityTimeout: duration(Number(task.inactivityTimeoutMs)),
    ...(task.spec === null ? { execution: plainExecution(task.execution) } : givenFields(task.spec, task.execution)),
    ...(task.status === TaskStatus.SUCCESS ? jsonField("output", task.output) : {}),
    ...jsonField("progress", task.progress),
  } as MessageInitShape<typeof TaskSchema>);
}

/** The fields of a task that repeat what was given as a whole, with its execution; timeouts where they were given. */
export function givenFields(spec: string, execution: number): GivenFields {
  const given = fromJsonString(NewTaskSchema, spec);
  const { rules, dedupe, onSuccess, onFailure, onCancel } = given;
  const { critical, onlyForDependents, fairnessKey, fairnessWeight } = given;
  return {
    ...(given.startTimeout === undefined ? {} : { startTimeout: given.startTimeout }),
    ...(given.inactivityTimeout === undefined ? {} : { inactivityTimeout: given.inactivityTimeout }),
    ...(given.executionTimeout === undefined ? {} : { executionTimeout: given.executionTimeout }),
    ...(given.totalTimeout === undefined ? {} : { totalTimeout: given.totalTimeout }),
    ...(given.retry === undefined ? {} : { retry: given.retry }),
    ...{ rules, dedupe, onSuccess, onFailure, onCancel, critical, onlyForDependents, fairnessKey, fairnessWeight },
    execution: given.execution.case === undefined ? plainExecution(execution) : given.execution,
  };
}

/** What {@link givenFields} answers. */
export type GivenFields = Partial<Pick<TaskMessage, GivenField>>;

type GivenField =
  | ("startTimeout" | "inactivityTimeout" | "executionTimeout" | "totalTimeout" | "retry" | "rules" | "dedupe")
  | ("execution" | "onSuccess" | "onFailure" | "onCancel" | "critical" | "onlyForDependents")
  | ("fairnessKey" | "fairnessWeight");

/** Writes the state of a task without what was given at its creation. */
export function encodeTaskState(state: TaskState, names: Names): TaskMessage {
  return create(TaskSchema, stateFields(state, names));
}

function stateFields(state: TaskState, { ids, kindOf, workerOf }: Names): MessageInitShape<typeof TaskSchema> {
  const optional = <K extends string>(name: K, micros: number | null) => {
    const time = optionalTimestamp(micros);
    return time === undefined ? {} : { [name]: time };
  };
  return {
    ...{ taskId: ids.encode(state.id), batchId: ids.encode(state.batchId), kind: kindOf(state.queue) },
    ...{ status: state.status as never, attempt: state.attempt, priority: state.priority },
    ...{ successCount: state.successCount, failureCount: state.failureCount },
    workerId: state.worker === null ? "" : workerOf(state.worker),
    ...(state.expectedCount === null ? {} : { expectedCount: state.expectedCount }),
    ...(state.cause === null ? {} : { failure: encodeFailure(state, ids) }),
    createTime: timestamp(state.createTime),
    cancelReason: state.cancelReason ?? "",
    etag: etagOf(state),
    ...optional("startTime", state.startTime),
    ...optional("claimTime", state.claimTime),
    ...optional("runTime", state.runTime),
    ...optional("activityTime", state.activityTime),
    ...optional("endTime", state.endTime),
    ...(state.execution === Execution.WORKER ? optional("leaseExpireTime", state.leaseUntil) : {}),
  };
}

/** What changes whenever a task does, but for its counts and its executor's signs of life. */
export function etagOf(state: TaskState): string {
  return `${state.status}-${state.attempt}-${state.priority}-${state.edits}-${state.givenVersion}`;
}

/** Writes what is kept of an attempt; `state` is of its task. */
export function encodeAttempt(record: AttemptRecord, state: TaskState, { ids, workerOf }: Names): TaskAttempt {
  const { cause, startTime, endTime } = record;
  const [claim, start, end] = [record.claimTime, startTime, endTime].map(optionalTimestamp);
  return create(TaskAttemptSchema, {
    attempt: Math.max(record.attempt, 0),
    status: (record.status ?? state.status) as never,
    ...(cause === null ? {} : { failure: encodeFailure(record, ids) }),
    workerId: record.worker === null ? "" : workerOf(record.worker),
    ...(claim === undefined ? {} : { claimTime: claim }),
    ...(start === undefined ? {} : { startTime: start }),
    ...(end === undefined ? {} : { endTime: end }),
    cancelReason: record.status === TaskStatus.CANCELED ? (record.message ?? "") : "",
  });
}

function plainExecution(execution: number): TaskMessage["execution"] {
  return execution === Execution.JOIN
    ? { case: "join", value: create(JoinExecutionSchema) }
    : { case: "worker", value: create(WorkerExecutionSchema) };
}

function jsonField<K extends string>(name: K, text: string | null): Record<string, unknown> {
  return text === null ? {} : { [name]: fromJsonString(ValueSchema, text) };
}

/** Writes why an attempt failed; of a task that its parent brought down, details name that parent. */
export function encodeFailure(
  failure: Pick<Task, "cause" | "message" | "code" | "details" | "culprit">,
  ids: IdCodec,
): TaskFailure {
  const details =
    failure.cause === FailureCause.DEPENDENCY && failure.culprit !== null
      ? JSON.stringify({ task_id: ids.encode(failure.culprit) })
      : failure.details;
  return create(TaskFailureSchema, {
    ...{ cause: (failure.cause ?? 0) as never, message: failure.message ?? "", code: failure.code ?? "" },
    ...jsonField("details", details),
  });
}

/** Writes what is handed to an executor: the task, and what its parents left, by key (by id where a parent has none, or is of another batch). */
export function encodeAssignment(task: Task, parents: readonly Parent[], names: Names): Assignment {
  // Without a prototype: a key may be any text.
  const results: NonNullable<MessageInitShape<typeof AssignmentSchema>["parents"]> = Object.create(null);
  for (const parent of parents) {
    const taskId = names.ids.encode(parent.id);
    const key = parent.batchId === task.batchId ? (parent.key ?? "") : "";
    results[key === "" ? taskId : key] = {
      taskId,
      key: parent.key ?? "",
      status: parent.status as never,
      ...jsonField("output", parent.output),
      outputOmitted: parent.outputOmitted,
    };
  }
  return create(AssignmentSchema, {
    ...{ task: encodeTask(task, names), attempt: task.attempt, parents: results },
    ...(task.leaseUntil === null ? {} : { leaseExpireTime: timestamp(task.leaseUntil) }),
  });
}
