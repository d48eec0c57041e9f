import { create, fromJson, type JsonObject, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { NewBatchSchema } from "./gen/millpond/v1/batch_pb.js";
import type { RuleSchema } from "./gen/millpond/v1/rule_pb.js";
import {
  type Dependency,
  DependencyCondition,
  DependencySchema,
  type NewTask,
  NewTaskSchema,
  type RetryPolicySchema,
} from "./gen/millpond/v1/task_pb.js";
import { type CreateTasksRequest, CreateTasksRequestSchema } from "./gen/millpond/v1/task_service_pb.js";

/** TaskRef is a task of a graph, as {@link TaskGraph.task} answers it: give it to the tasks that come after. */
export interface TaskRef {
  readonly key: string;
}

/** Parent names a task to depend on: one of this graph (a ref or its key, in any order), or an existing one by its id. */
export type Parent = TaskRef | string | { readonly taskId: string };

/** DependencyInput is a parent that must succeed, or a parent with another condition. */
export type DependencyInput = Parent | { readonly parent: Parent; readonly condition: DependencyCondition };

/** RetryOptions is the contract's RetryPolicy with durations in milliseconds. */
export interface RetryOptions
  extends Omit<
    MessageInitShape<typeof RetryPolicySchema>,
    "initialBackoff" | "increment" | "maxBackoff" | "$typeName"
  > {
  readonly initialBackoffMs?: number;
  readonly incrementMs?: number;
  readonly maxBackoffMs?: number;
}

/** What is taken from the contract's NewTask as it stands. */
type PlainNewTaskFields =
  | "unmetPolicy"
  | "priority"
  | "dedupe"
  | "execution"
  | "onSuccess"
  | "onFailure"
  | "onCancel"
  | "critical"
  | "onlyForDependents"
  | "fairnessKey"
  | "fairnessWeight";

/** TaskOptions is the contract's NewTask with plain JSON, milliseconds and references in place of messages. */
export interface TaskOptions extends Pick<MessageInitShape<typeof NewTaskSchema>, PlainNewTaskFields> {
  readonly kind: string;
  /** For people; default: the key. */
  readonly name?: string;
  /** What must end before it starts. */
  readonly after?: readonly DependencyInput[];
  readonly metadata?: JsonObject;
  readonly input?: JsonValue;
  readonly expectedCount?: bigint | number;
  readonly startTime?: Date;
  readonly startTimeoutMs?: number;
  readonly inactivityTimeoutMs?: number;
  readonly executionTimeoutMs?: number;
  readonly totalTimeoutMs?: number;
  readonly retry?: RetryOptions;
  readonly rules?: readonly MessageInitShape<typeof RuleSchema>[];
}

/** GraphOptions describes the batch that the graph becomes, or names the open batch that it grows. */
export type GraphOptions =
  | (Omit<MessageInitShape<typeof NewBatchSchema>, "$typeName"> & { readonly batchId?: never })
  | { readonly batchId: string };

/** TaskGraph collects tasks for one CreateTasks call. */
export interface TaskGraph {
  /** Adds a task under a key that is unique in the graph. @throws TypeError when the key is taken. */
  task(key: string, options: TaskOptions): TaskRef;
  /** The number of tasks so far. */
  readonly size: number;
  /** The request, for `client.tasks.createTasks`. */
  toRequest(): CreateTasksRequest;
}

/** createGraph begins a graph: `const fetch = graph.task("fetch", …); graph.task("align", { after: [fetch], … })`. */
export function createGraph(options: GraphOptions = {}): TaskGraph {
  const tasks = new Map<string, NewTask>();
  return {
    task(key, taskOptions) {
      if (tasks.has(key)) throw new TypeError(`the graph has a task "${key}" already`);
      tasks.set(key, newTask(key, taskOptions));
      return { key };
    },
    get size() {
      return tasks.size;
    },
    toRequest() {
      const target =
        options.batchId === undefined
          ? ({ case: "newBatch", value: options } as const)
          : ({ case: "batchId", value: options.batchId } as const);
      return create(CreateTasksRequestSchema, { target, tasks: [...tasks.values()] });
    },
  };
}

/** onCompletion lets the child start when the parent has ended, in whatever way. */
export function onCompletion(parent: Parent): DependencyInput {
  return { parent, condition: DependencyCondition.COMPLETED };
}

/** onFailure lets the child start when the parent has failed or was canceled. */
export function onFailure(parent: Parent): DependencyInput {
  return { parent, condition: DependencyCondition.FAILURE };
}

function newTask(key: string, options: TaskOptions): NewTask {
  const { after = [], input, expectedCount, startTime, retry, rules, name, ...rest } = options;
  const { startTimeoutMs, inactivityTimeoutMs, executionTimeoutMs, totalTimeoutMs, ...fields } = rest;
  return create(NewTaskSchema, {
    ...fields,
    key,
    name: name ?? key,
    dependencies: after.map(dependency),
    ...(input !== undefined && { input: fromJson(ValueSchema, input) }),
    ...(expectedCount !== undefined && { expectedCount: BigInt(expectedCount) }),
    ...(startTime && { startTime: timestampFromDate(startTime) }),
    ...(startTimeoutMs !== undefined && { startTimeout: durationFromMs(startTimeoutMs) }),
    ...(inactivityTimeoutMs !== undefined && { inactivityTimeout: durationFromMs(inactivityTimeoutMs) }),
    ...(executionTimeoutMs !== undefined && { executionTimeout: durationFromMs(executionTimeoutMs) }),
    ...(totalTimeoutMs !== undefined && { totalTimeout: durationFromMs(totalTimeoutMs) }),
    ...(retry && { retry: retryInit(retry) }),
    ...(rules && { rules: [...rules] }),
  });
}

function retryInit(options: RetryOptions): MessageInitShape<typeof RetryPolicySchema> {
  const { initialBackoffMs, incrementMs, maxBackoffMs, ...fields } = options;
  return {
    ...fields,
    ...(initialBackoffMs !== undefined && { initialBackoff: durationFromMs(initialBackoffMs) }),
    ...(incrementMs !== undefined && { increment: durationFromMs(incrementMs) }),
    ...(maxBackoffMs !== undefined && { maxBackoff: durationFromMs(maxBackoffMs) }),
  };
}

function dependency(input: DependencyInput): Dependency {
  const { parent, condition } =
    typeof input === "object" && "parent" in input
      ? input
      : { parent: input, condition: DependencyCondition.UNSPECIFIED };
  if (typeof parent === "object" && "taskId" in parent) {
    return create(DependencySchema, { parent: { case: "taskId", value: parent.taskId }, condition });
  }
  const key = typeof parent === "string" ? parent : parent.key;
  return create(DependencySchema, { parent: { case: "key", value: key }, condition });
}
