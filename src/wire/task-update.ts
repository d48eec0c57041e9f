import { clone, create, fromJsonString, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { invalidField, MillpondError } from "../domain/errors.ts";
import type { Rule } from "../domain/rule.ts";
import type { Task } from "../domain/task.ts";
import { Execution } from "../domain/task-status.ts";
import { type EditableTask, type UpdatableField, updatableFields } from "../domain/updatable-fields.ts";
import { type NewTask, NewTaskSchema, type Task as TaskMessage } from "../gen/millpond/v1/task_pb.ts";
import { jsonBytesMax, structText } from "./json.ts";
import { inactivityTimeoutMsDefault, startTimeoutMsDefault } from "./new-task.ts";
import { checkRule, decodeRule } from "./rule.ts";
import { etagOf } from "./task.ts";
import { millisOf, nonZero } from "./time.ts";

/** Reads which fields a mask names, each once. */
export function decodeUpdateMask(paths: readonly string[]): UpdatableField[] {
  return [...new Set(paths)].filter((path): path is UpdatableField => Object.hasOwn(updatableFields, path));
}

/** Refuses a task that has changed since the caller read it; no etag: any will do. */
export function checkEtag(task: Task, etag: string): void {
  if (etag === "" || etag === etagOf(task)) return;
  throw new MillpondError(
    "ETAG_MISMATCH",
    `task.etag: "${etag}" is not the task's any more; read it again, and decide again`,
    {
      metadata: { etag: etagOf(task) },
      violations: [{ field: "task.etag", description: "the task has changed since it was read" }],
    },
  );
}

/** Makes of a task what the fields of a request ask for; fields that are named and absent return to their defaults. */
export function applyUpdate(
  task: Task,
  given: TaskMessage,
  { fields, mergeMetadata }: { readonly fields: readonly UpdatableField[]; readonly mergeMetadata: boolean },
): EditableTask {
  const names = new Set(fields);
  const spec = task.spec === null ? create(NewTaskSchema) : fromJsonString(NewTaskSchema, task.spec);
  const timeout = (field: "start_timeout" | "inactivity_timeout" | "execution_timeout" | "total_timeout") => {
    const name = messageNames[field];
    if (names.has(field)) {
      const value = nonZero(given[name]);
      if (value === undefined) delete spec[name];
      else spec[name] = value;
    }
    return spec[name] === undefined ? undefined : millisOf(spec[name]);
  };
  if (names.has("rules")) spec.rules = given.rules;
  const metadata = metadataText(task, given, { isNamed: names.has("metadata"), merge: mergeMetadata });
  const expectedCount = names.has("expected_count") ? (given.expectedCount ?? null) : task.expectedCount;
  return {
    priority: names.has("priority") ? given.priority : task.priority,
    ...{ metadata, expectedCount },
    startTimeoutMs: timeout("start_timeout") ?? startTimeoutMsDefault,
    inactivityTimeoutMs: timeout("inactivity_timeout") ?? inactivityTimeoutMsDefault,
    executionTimeoutMs: timeout("execution_timeout") ?? null,
    totalTimeoutMs: timeout("total_timeout") ?? null,
    spec: specText(spec),
    rules: rulesOf(task, spec, { metadata, expectedCount }),
  };
}

/** The rules of a task as it is to be; refuses what does not go with it. */
function rulesOf(task: Task, { rules }: NewTask, after: Pick<EditableTask, "metadata" | "expectedCount">): Rule[] {
  if (rules.length === 0) return [];
  if (task.execution === Execution.JOIN)
    throw invalidField("task.rules", "a join does no work and takes no slot; leave them out");
  const metadata = after.metadata === null ? {} : (JSON.parse(after.metadata) as Record<string, unknown>);
  return rules.map((message, n) => {
    const rule = decodeRule(message, `task.rules[${n}]`);
    checkRule(rule, { ...after, metadata }, `task.rules[${n}]`);
    return rule;
  });
}

const messageNames = {
  start_timeout: "startTimeout",
  inactivity_timeout: "inactivityTimeout",
  execution_timeout: "executionTimeout",
  total_timeout: "totalTimeout",
} as const;

function specText(spec: NewTask): string | null {
  const text = toJsonString(NewTaskSchema, clone(NewTaskSchema, spec));
  return text === "{}" ? null : text;
}

type Metadata = NonNullable<MessageInitShape<typeof NewTaskSchema>["metadata"]>;

function metadataText(
  task: Task,
  given: TaskMessage,
  { isNamed, merge }: { readonly isNamed: boolean; readonly merge: boolean },
): string | null {
  const before = task.metadata as Metadata | null;
  const after = !isNamed ? before : merge ? mergePatch(before ?? {}, given.metadata ?? {}) : given.metadata;
  return structText((after ?? undefined) as never, { field: "task.metadata", bytesMax: jsonBytesMax.metadata });
}

/** Merges a patch into an object (RFC 7396): null removes a member, objects are merged, anything else replaces what was there. */
function mergePatch(target: unknown, patch: unknown): Metadata {
  // Without a prototype: a name may be any text.
  const merged: Record<string, unknown> = Object.assign(Object.create(null), isObject(target) ? target : {});
  for (const [name, value] of Object.entries(patch as object)) {
    if (value === null) delete merged[name];
    else merged[name] = isObject(value) ? mergePatch(merged[name], value) : value;
  }
  return merged as Metadata;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
