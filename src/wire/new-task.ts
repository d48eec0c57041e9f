import { create, toJson, toJsonString } from "@bufbuild/protobuf";
import type { DedupeMatcher } from "../domain/dedupe-matcher.ts";
import { invalidField, MillpondError, notFound } from "../domain/errors.ts";
import { hostKey } from "../domain/host-key.ts";
import type { IdCodec } from "../domain/ids.ts";
import type { NewTask } from "../domain/new-task.ts";
import type { RetryPolicy } from "../domain/retry-policy.ts";
import type { RequestedEdge } from "../domain/task-graph.ts";
import { DependencyCondition, Execution, FailureCause, TaskStatus } from "../domain/task-status.ts";
import type { NewBatch } from "../gen/millpond/v1/batch_pb.ts";
import {
  type DedupeMatcher as DedupeMatcherMessage,
  type Dependency,
  type NewTask as NewTaskMessage,
  NewTaskSchema,
  type RetryPolicy as RetryPolicyMessage,
} from "../gen/millpond/v1/task_pb.ts";
import { WebhookSchema } from "../gen/millpond/v1/webhook_pb.ts";
import { isWithin, jsonBytesMax, structText, valueText } from "./json.ts";
import { ReadNewTask } from "./read-new-task.ts";
import { decodeTaskRules } from "./task-rules.ts";
import { microsOf, millisOf, nonZero } from "./time.ts";

/** How long a start webhook may take to answer, where nothing is given. */
export const startTimeoutMsDefault = 30_000;
/** How long an attempt may give no sign of life, where nothing is given. */
export const inactivityTimeoutMsDefault = 60_000;

/** Reads a task that is to be created; `field` is its path in the request. One literal without parts: requests have many tasks. */
export function decodeNewTask(message: NewTaskMessage, field: string, ids: IdCodec): NewTask {
  const { execution } = message;
  const metadata = metadataText(message, field);
  const startTimeout = nonZero(message.startTimeout);
  const inactivityTimeout = nonZero(message.inactivityTimeout);
  const executionTimeout = nonZero(message.executionTimeout);
  const totalTimeout = nonZero(message.totalTimeout);
  const { rules, ruleValues } = decodeTaskRules(message, field, metadata);
  return {
    key: message.key,
    name: message.name,
    kind: message.kind,
    priority: message.priority,
    unmetPolicy: message.unmetPolicy,
    execution:
      execution.case === "onStart" ? Execution.WEBHOOK : execution.case === "join" ? Execution.JOIN : Execution.WORKER,
    labels: execution.case === "worker" ? execution.value.requiredLabels : noLabels,
    host: execution.case === "onStart" ? hostKey(execution.value.url) : "",
    dependencies: decodeDependencies(message.dependencies, field, ids),
    metadata,
    input: inputText(message, field),
    spec: specText(message),
    expectedCount: message.expectedCount ?? null,
    startTime: message.startTime === undefined ? null : microsOf(message.startTime),
    startTimeoutMs: startTimeout === undefined ? startTimeoutMsDefault : millisOf(startTimeout),
    inactivityTimeoutMs: inactivityTimeout === undefined ? inactivityTimeoutMsDefault : millisOf(inactivityTimeout),
    executionTimeoutMs: executionTimeout === undefined ? null : millisOf(executionTimeout),
    totalTimeoutMs: totalTimeout === undefined ? null : millisOf(totalTimeout),
    retry: message.retry === undefined ? null : decodeRetryPolicy(message.retry, `${field}.retry`),
    dedupe: message.dedupe.length === 0 ? none : message.dedupe.map(decodeMatcher),
    rules,
    ruleValues,
    onSuccess: message.onSuccess.length,
    onFailure: message.onFailure.length,
    onCancel: message.onCancel.length,
    critical: message.critical,
    onlyForDependents: message.onlyForDependents,
    fairnessKey: message.fairnessKey,
    fairnessWeight: fairnessWeight(message, field),
  };
}

const noLabels: NewTask["labels"] = Object.freeze({});
const none: readonly never[] = Object.freeze([]);

/** How many turns a task's fairness_key takes. */
function fairnessWeight({ fairnessKey, fairnessWeight: weight }: NewTaskMessage, field: string): number {
  if (fairnessKey === "" && weight !== 0)
    throw invalidField(`${field}.fairness_weight`, "is the weight of a fairness_key; give that, or leave it out");
  return weight === 0 ? 1 : weight;
}

/** Metadata as a JSON text: that which was read as such, unless it is too large. */
function metadataText(message: NewTaskMessage, field: string): string | null {
  const read = message instanceof ReadNewTask ? message.metadataText : undefined;
  if (read !== undefined && isWithin(read, jsonBytesMax.metadata)) return read;
  return structText(message.metadata, { field: `${field}.metadata`, bytesMax: jsonBytesMax.metadata });
}

/** Input, as {@link metadataText}. */
function inputText(message: NewTaskMessage, field: string): string | null {
  const read = message instanceof ReadNewTask ? message.inputText : undefined;
  if (read !== undefined && isWithin(read, jsonBytesMax.input)) return read;
  return valueText(message.input, { field: `${field}.input`, bytesMax: jsonBytesMax.input });
}

/** Reads a retry policy, with every default filled in. */
function decodeRetryPolicy(message: RetryPolicyMessage, field: string): RetryPolicy {
  const millis = (given: RetryPolicyMessage["initialBackoff"], otherwise: number): number =>
    given === undefined ? otherwise : millisOf(given);
  const never = message.retryCauses.find((cause) => neverRetried.has(cause));
  if (never !== undefined)
    throw invalidField(`${field}.retry_causes`, `${neverRetried.get(never)} is never retried; leave it out`);
  return {
    maxAttempts: message.maxAttempts,
    initialBackoffMs: millis(message.initialBackoff, 1_000),
    multiplier: message.multiplier ?? 2,
    incrementMs: millis(message.increment, 0),
    maxBackoffMs: millis(message.maxBackoff, 5 * 60_000),
    jitter: message.jitter ?? 0.1,
    causes: [...new Set<number>(message.retryCauses)].sort((a, b) => a - b),
    nonRetryableCodes: [...new Set(message.nonRetryableCodes)].sort(),
  };
}

const neverRetried: ReadonlyMap<number, string> = new Map([
  [FailureCause.DEPENDENCY, "DEPENDENCY"],
  [FailureCause.TOTAL_TIMEOUT, "TOTAL_TIMEOUT"],
]);

const living = [TaskStatus.WAITING, TaskStatus.PENDING, TaskStatus.CLAIMED, TaskStatus.RUNNING, TaskStatus.PAUSED];

function decodeMatcher({ kind, statuses, fields }: DedupeMatcherMessage): DedupeMatcher {
  const wanted = statuses.length === 0 ? living : [...new Set<number>(statuses)].sort((a, b) => a - b);
  return { kind, statuses: wanted, fields: [...fields].sort() };
}

function decodeDependencies(
  dependencies: readonly Dependency[],
  field: string,
  ids: IdCodec,
): readonly RequestedEdge[] {
  if (dependencies.length === 0) return none;
  return dependencies.map((dependency, n) => decodeDependency(dependency, { field, n, ids }));
}

/** `field`: the path of its task, of which it is the n-th. */
function decodeDependency(
  { parent, condition: given }: Dependency,
  { field: task, n, ids }: { readonly field: string; readonly n: number; readonly ids: IdCodec },
): RequestedEdge {
  const condition = given === 0 ? DependencyCondition.SUCCESS : given;
  if (parent.case === "key") return { condition, key: parent.value };
  const id = parent.case === "taskId" ? ids.decode(parent.value) : undefined;
  if (id !== undefined) return { condition, taskId: id };
  const field = `${task}.dependencies[${n}]`;
  const description = `there is no task "${parent.value ?? ""}"`;
  throw new MillpondError("UNKNOWN_DEPENDENCY", `${field}.task_id: ${description}`, {
    metadata: { dependency: parent.value ?? "" },
    violations: [{ field: `${field}.task_id`, description }],
  });
}

/** What of a task is kept as it was given and not needed to run it; nothing where nothing of it was given. */
function specText(message: NewTaskMessage): string | null {
  const { execution } = message;
  const isPlain =
    execution.case === undefined ||
    execution.case === "join" ||
    (execution.case === "worker" && Object.keys(execution.value.requiredLabels).length === 0);
  if (isPlain && !hasSpecBesideRules(message)) {
    if (message.rules.length === 0) return null;
    const read = message instanceof ReadNewTask ? message.readRules : undefined;
    if (read !== undefined) return read.specText;
  }
  const given = {
    startTimeout: nonZero(message.startTimeout),
    inactivityTimeout: nonZero(message.inactivityTimeout),
    executionTimeout: nonZero(message.executionTimeout),
    totalTimeout: nonZero(message.totalTimeout),
    retry: message.retry,
  };
  const fields = Object.entries(given).filter(([, value]) => value !== undefined);
  const { rules, dedupe, onSuccess, onFailure, onCancel } = message;
  const { critical, onlyForDependents, fairnessKey, fairnessWeight } = message;
  const spec = create(NewTaskSchema, {
    ...(Object.fromEntries(fields) as Partial<typeof given>),
    ...(isPlain ? {} : { execution }),
    ...{ rules, dedupe, onSuccess, onFailure, onCancel },
    ...{ critical, onlyForDependents, fairnessKey, fairnessWeight },
  });
  return toJsonString(NewTaskSchema, spec);
}

function hasSpecBesideRules(message: NewTaskMessage): boolean {
  const { dedupe, onSuccess, onFailure, onCancel } = message;
  return (
    message.retry !== undefined ||
    nonZero(message.startTimeout) !== undefined ||
    nonZero(message.inactivityTimeout) !== undefined ||
    nonZero(message.executionTimeout) !== undefined ||
    nonZero(message.totalTimeout) !== undefined ||
    dedupe.length + onSuccess.length + onFailure.length + onCancel.length > 0 ||
    message.critical ||
    message.onlyForDependents ||
    message.fairnessKey !== ""
  );
}

/** A batch to be created; JSON parts are texts. */
export interface DecodedNewBatch {
  readonly name: string;
  readonly metadata: string;
  readonly open: boolean;
  readonly paused: boolean;
  /** The webhooks that follow its end, as a ProtoJSON list; null: none. */
  readonly onComplete: string | null;
  readonly onCompleteCount: number;
}

/** Reads a batch that is to be created; undefined: one without options. */
export function decodeNewBatch(batch: NewBatch | undefined): DecodedNewBatch {
  const metadata = structText(batch?.metadata, { field: "new_batch.metadata", bytesMax: jsonBytesMax.metadata });
  const webhooks = batch?.onComplete ?? [];
  return {
    ...{
      name: batch?.name ?? "",
      metadata: metadata ?? "{}",
      open: batch?.open ?? false,
      paused: batch?.paused ?? false,
    },
    onComplete:
      webhooks.length === 0 ? null : JSON.stringify(webhooks.map((webhook) => toJson(WebhookSchema, webhook))),
    onCompleteCount: webhooks.length,
  };
}

/** Reads an id that a request must have; refuses what no task or batch of this database can have. */
export function decodeId(ids: IdCodec, text: string, reason: "TASK_NOT_FOUND" | "BATCH_NOT_FOUND"): bigint {
  const id = ids.decode(text);
  if (id !== undefined) return id;
  if (text === "") throw invalidField(reason === "TASK_NOT_FOUND" ? "task_id" : "batch_id", "is required");
  throw notFound(reason, text);
}
