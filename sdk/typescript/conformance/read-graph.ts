import { fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { MillpondClient } from "../src/client.ts";
import { NewBatchSchema } from "../src/gen/millpond/v1/batch_pb.js";
import { RuleSchema } from "../src/gen/millpond/v1/rule_pb.js";
import {
  CreateTasksRequestSchema,
  CreateTasksResponseSchema,
  UploadTasksResponseSchema,
} from "../src/gen/millpond/v1/task_service_pb.js";
import {
  createGraph,
  type DependencyInput,
  onCompletion,
  onFailure,
  type Parent,
  type RetryOptions,
  type TaskOptions,
  type TaskRef,
} from "../src/graph.ts";
import { uploadTasks } from "../src/upload-tasks.ts";

type After = string | { readonly key?: string; readonly taskId?: string; readonly on?: string };

interface TaskFields {
  readonly key: string;
  readonly kind: string;
  readonly name?: string;
  readonly input?: JsonValue;
  readonly metadata?: JsonObject;
  readonly priority?: number;
  readonly expectedCount?: string;
  readonly startTime?: string;
  readonly startTimeoutMs?: number;
  readonly inactivityTimeoutMs?: number;
  readonly executionTimeoutMs?: number;
  readonly totalTimeoutMs?: number;
  readonly retry?: RetryOptions;
  readonly rules?: readonly JsonValue[];
  readonly after?: readonly After[];
}

interface GraphFields {
  readonly batch?: JsonValue;
  readonly batchId?: string;
  readonly tasks: readonly TaskFields[];
  readonly submit: "none" | "create" | "upload";
  readonly requestId?: string;
  readonly partSize?: number;
}

/** readGraph builds a graph with the SDK's builder and submits it as it says. */
export async function readGraph(client: MillpondClient, fields: GraphFields): Promise<object> {
  const { batch, batchId, tasks, submit, requestId, partSize } = fields;
  const graph = createGraph(batchId === undefined ? fromJson(NewBatchSchema, batch ?? {}) : { batchId });
  const refs = new Map<string, TaskRef>();
  for (const task of tasks) refs.set(task.key, graph.task(task.key, taskOptions(task, refs)));
  if (submit === "none") return { request: toJson(CreateTasksRequestSchema, graph.toRequest()) };
  if (submit === "upload") {
    const response = await uploadTasks(client, graph, { requestId, partSize });
    return { response: toJson(UploadTasksResponseSchema, response) };
  }
  const request = graph.toRequest();
  request.requestId = requestId ?? "";
  return { response: toJson(CreateTasksResponseSchema, await client.tasks.createTasks(request)) };
}

function taskOptions(task: TaskFields, refs: ReadonlyMap<string, TaskRef>): TaskOptions {
  const { key: _, after = [], expectedCount, startTime, rules, ...plain } = task;
  return {
    ...plain,
    after: after.map((each) => dependency(each, refs)),
    ...(expectedCount !== undefined && { expectedCount: BigInt(expectedCount) }),
    ...(startTime !== undefined && { startTime: new Date(startTime) }),
    ...(rules && { rules: rules.map((rule) => fromJson(RuleSchema, rule)) }),
  };
}

function dependency(after: After, refs: ReadonlyMap<string, TaskRef>): DependencyInput {
  if (typeof after === "string") return refs.get(after) ?? after;
  const parent: Parent = after.taskId === undefined ? after.key! : { taskId: after.taskId };
  if (after.on === "completion") return onCompletion(parent);
  return after.on === "failure" ? onFailure(parent) : parent;
}
