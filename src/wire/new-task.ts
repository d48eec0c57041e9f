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

/** Reads a task that is to be created; `field` is its path in the request. */
export function decodeNewTask(message: NewTaskMessage, field: string, ids: IdCodec): NewTask {
  const { execution } = message;
  const dependencies = message.dependencies.map((dependency, n) =>
    decodeDependency(dependency, `${field}.dependencies[${n}]`, ids),
  );
  const { metadata, input } = jsonParts(message, field);
  const [startTimeout, inactivityTimeout] = [nonZero(message.startTimeout), nonZero(message.inactivityTimeout)];
  const [executionTimeout, totalTimeout] = [nonZero(message.executionTimeout), nonZero(message.totalTimeout)];
  return {
    ...{
      key: message.key,
      name: message.name,
      kind: message.kind,
      priority: message.priority,
      unmetPolicy: message.unmetPolicy,
    },
    execution:
      execution.case === "onStart" ? Execution.WEBHOOK : execution.case === "join" ? Execution.JOIN : Execution.WORKER,
    labels: execution.case === "worker" ? execution.value.requiredLabels : {},
    host: execution.case === "onStart" ? hostKey(execution.value.url) : "",
    ...{ dependencies, metadata, input },
    spec: specText(message),
    expectedCount: message.expectedCount ?? null,
    startTime: message.startTime === undefined ? null : microsOf(message.startTime),
    startTimeoutMs: startTimeout === undefined ? startTimeoutMsDefault : millisOf(startTimeout),
    inactivityTimeoutMs: inactivityTimeout === undefined ? inactivityTimeoutMsDefault : millisOf(inactivityTimeout),
    executionTimeoutMs: executionTimeout === undefined ? null : millisOf(executionTimeout),
    totalTimeoutMs: totalTimeout === undefined ? null : millisOf(totalTimeout),
    retry: message.retry === undefined ? null : decodeRetryPolicy(message.retry, `${field}.retry`),
    dedupe: message.dedupe.map(decodeMatcher),
    ...decodeTaskRules(message, field, metadata),
    ...{ onSuccess: message.onSuccess.length, onFailure: message.onFailure.length, onCancel: message.onCancel.length },
    ...{ critical: message.critical, onlyForDependents: message.onlyForDependents },
    ...fairness(message, field),
  };
}

/** With whom a task takes turns. */
function fairness(message: NewTaskMessage, field: string): Pick<NewTask, "fairnessKey" | "fairnessWeight"> {
  const { fairnessKey, fairnessWeight } = message;
  if (fairnessKey === "" && fairnessWeight !== 0)
    throw invalidField(`${field}.fairness_weight`, "is the weight of a fairness_key; give that, or leave it out");
  return { fairnessKey, fairnessWeight: fairnessWeight === 0 ? 1 : fairnessWeight };
}

/** Metadata and input as JSON texts: those that were read as such, unless they are too large. */
function jsonParts(message: NewTaskMessage, field: string): Pick<NewTask, "metadata" | "input"> {
  const given = message instanceof ReadNewTask ? message : undefined;
  const [metadata, input] = [given?.metadataText, given?.inputText];
  return {
    metadata:
      metadata !== undefined && isWithin(metadata, jsonBytesMax.metadata)
        ? metadata
        : structText(message.metadata, { field: `${field}.metadata`, bytesMax: jsonBytesMax.metadata }),
    input:
      input !== undefined && isWithin(input, jsonBytesMax.input)
        ? input
        : valueText(message.input, { field: `${field}.input`, bytesMax: jsonBytesMax.input }),
  };
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

function decodeDependency({ parent, condition }: Dependency, field: string, ids: IdCodec): RequestedEdge {
  const edge = { condition: condition === 0 ? DependencyCondition.SUCCESS : condition };
  if (parent.case === "key") return { ...edge, key: parent.value };
  const id = parent.case === "taskId" ? ids.decode(parent.value) : undefined;
  if (id !== undefined) return { ...edge, taskId: id };
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
