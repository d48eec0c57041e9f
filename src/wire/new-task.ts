import { create, equals, toJsonString } from "@bufbuild/protobuf";
import { invalidField, MillpondError, notFound } from "../domain/errors.ts";
import type { IdCodec } from "../domain/ids.ts";
import type { NewTask } from "../domain/new-task.ts";
import type { RequestedEdge } from "../domain/task-graph.ts";
import { DependencyCondition, Execution } from "../domain/task-status.ts";
import type { NewBatch } from "../gen/millpond/v1/batch_pb.ts";
import { type Dependency, type NewTask as NewTaskMessage, NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { jsonBytesMax, structText, valueText } from "./json.ts";
import { microsOf, millisOf, nonZero } from "./time.ts";

const startTimeoutMsDefault = 30_000;
const inactivityTimeoutMsDefault = 60_000;

/** Reads a task that is to be created; `field` is its path in the request. */
export function decodeNewTask(message: NewTaskMessage, field: string, ids: IdCodec): NewTask {
  refuseUnavailable(message, field);
  const { execution } = message;
  const [startTimeout, inactivityTimeout] = [nonZero(message.startTimeout), nonZero(message.inactivityTimeout)];
  const webhookBody = execution.case === "onStart" ? execution.value.body : undefined;
  valueText(webhookBody, { field: `${field}.on_start.body`, bytesMax: jsonBytesMax.webhookBody });
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
    dependencies: message.dependencies.map((dependency, n) =>
      decodeDependency(dependency, `${field}.dependencies[${n}]`, ids),
    ),
    metadata: structText(message.metadata, { field: `${field}.metadata`, bytesMax: jsonBytesMax.metadata }),
    input: valueText(message.input, { field: `${field}.input`, bytesMax: jsonBytesMax.input }),
    spec: specText(message),
    expectedCount: message.expectedCount ?? null,
    startTime: message.startTime === undefined ? null : microsOf(message.startTime),
    startTimeoutMs: startTimeout === undefined ? startTimeoutMsDefault : millisOf(startTimeout),
    inactivityTimeoutMs: inactivityTimeout === undefined ? inactivityTimeoutMsDefault : millisOf(inactivityTimeout),
  };
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
  const [startTimeout, inactivityTimeout] = [nonZero(message.startTimeout), nonZero(message.inactivityTimeout)];
  const spec = create(NewTaskSchema, {
    ...(startTimeout === undefined ? {} : { startTimeout }),
    ...(inactivityTimeout === undefined ? {} : { inactivityTimeout }),
    ...(execution.case === "onStart" ||
    (execution.case === "worker" && Object.keys(execution.value.requiredLabels).length > 0)
      ? { execution }
      : {}),
  });
  return equals(NewTaskSchema, spec, create(NewTaskSchema)) ? null : toJsonString(NewTaskSchema, spec);
}

/** Refuses parts of the contract that this version does not carry out: nothing that a client asks for is silently left out. */
function refuseUnavailable(message: NewTaskMessage, field: string): void {
  const asked: [string, boolean][] = [
    ["execution_timeout", nonZero(message.executionTimeout) !== undefined],
    ["total_timeout", nonZero(message.totalTimeout) !== undefined],
    ["retry", message.retry !== undefined],
    ["rules", message.rules.length > 0],
    ["dedupe", message.dedupe.length > 0],
    ["on_success", message.onSuccess.length > 0],
    ["on_failure", message.onFailure.length > 0],
    ["on_cancel", message.onCancel.length > 0],
    ["critical", message.critical],
    ["only_for_dependents", message.onlyForDependents],
  ];
  for (const [name, given] of asked) if (given) throw unavailable(`${field}.${name}`);
}

/** Refuses options of a batch that this version does not carry out. */
export function checkNewBatch(batch: NewBatch): { name: string; metadata: string; open: boolean } {
  if (batch.onComplete.length > 0) throw unavailable("new_batch.on_complete");
  if (batch.paused) throw unavailable("new_batch.paused");
  const metadata = structText(batch.metadata, { field: "new_batch.metadata", bytesMax: jsonBytesMax.metadata });
  return { name: batch.name, metadata: metadata ?? "{}", open: batch.open };
}

function unavailable(field: string): MillpondError {
  const description = "is part of the contract, but not of this version of the server; leave it out";
  return new MillpondError("UNIMPLEMENTED", `${field} ${description}`, { violations: [{ field, description }] });
}

/** Reads an id that a request must have; refuses what no task or batch of this database can have. */
export function decodeId(ids: IdCodec, text: string, reason: "TASK_NOT_FOUND" | "BATCH_NOT_FOUND"): bigint {
  const id = ids.decode(text);
  if (id !== undefined) return id;
  if (text === "") throw invalidField(reason === "TASK_NOT_FOUND" ? "task_id" : "batch_id", "is required");
  throw notFound(reason, text);
}
