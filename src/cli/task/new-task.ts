import { create, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type CreateTasksRequest,
  CreateTasksRequestSchema,
  type Dependency,
  DependencySchema,
  NewTaskSchema,
} from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import { isUuid } from "../input/task-options.ts";

/** NewTaskOptions are the options of `millpond task create` that describe one task. */
export interface NewTaskOptions {
  readonly kind?: string;
  readonly name?: string;
  readonly key?: string;
  readonly input?: JsonValue;
  readonly metadata?: JsonObject;
  readonly priority?: number;
  readonly after?: readonly string[];
  readonly url?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly expectedCount?: number;
  readonly maxAttempts?: number;
  /** In milliseconds, as the others. */
  readonly startIn?: number;
  readonly inactivityTimeout?: number;
  readonly executionTimeout?: number;
  readonly totalTimeout?: number;
  readonly fairnessKey?: string;
  readonly batch?: string;
}

/** The option of each, as it is typed. */
const flags: Readonly<Record<Exclude<keyof NewTaskOptions, "batch">, string>> = {
  kind: "--kind",
  name: "--name",
  key: "--key",
  input: "--input",
  metadata: "--metadata",
  priority: "--priority",
  after: "--after",
  url: "--url",
  label: "--label",
  expectedCount: "--expected-count",
  maxAttempts: "--max-attempts",
  startIn: "--start-in",
  inactivityTimeout: "--inactivity-timeout",
  executionTimeout: "--execution-timeout",
  totalTimeout: "--total-timeout",
  fairnessKey: "--fairness-key",
};

/** taskFlagOf is the first option given that describes a task; undefined: none was. */
export function taskFlagOf(options: NewTaskOptions): string | undefined {
  const given = Object.entries(flags).find(([name]) => options[name as keyof NewTaskOptions] !== undefined);
  return given?.[1];
}

/** newTaskRequest is a request to create the one task that the options describe, at the time `nowMs`. */
export function newTaskRequest(options: NewTaskOptions, nowMs: number): CreateTasksRequest {
  const { kind, name, key = "", input, metadata, after = [], url, label, expectedCount, maxAttempts } = options;
  if (kind === undefined) {
    throw misuse(
      "there is nothing to create: name a FILE (- for standard input), or describe a task with --kind and its like",
    );
  }
  if (url !== undefined && label !== undefined) {
    throw misuse("--url and --label exclude each other: what a webhook starts needs no worker");
  }
  const { startIn, inactivityTimeout, executionTimeout, totalTimeout } = options;
  const task = create(NewTaskSchema, {
    ...{ kind, key, name: name ?? (key || kind), priority: options.priority ?? 0 },
    ...{ fairnessKey: options.fairnessKey ?? "", dependencies: after.map((text) => dependency(text, options)) },
    ...(metadata !== undefined && { metadata }),
    ...(input !== undefined && { input: fromJson(ValueSchema, input) }),
    ...(expectedCount !== undefined && { expectedCount: BigInt(expectedCount) }),
    ...(maxAttempts !== undefined && { retry: { maxAttempts } }),
    ...(startIn !== undefined && { startTime: timestampFromMs(nowMs + startIn) }),
    ...(inactivityTimeout !== undefined && { inactivityTimeout: durationFromMs(inactivityTimeout) }),
    ...(executionTimeout !== undefined && { executionTimeout: durationFromMs(executionTimeout) }),
    ...(totalTimeout !== undefined && { totalTimeout: durationFromMs(totalTimeout) }),
    ...(url !== undefined && { execution: { case: "onStart" as const, value: { url } } }),
    ...(label !== undefined && { execution: { case: "worker" as const, value: { requiredLabels: { ...label } } } }),
  });
  return create(CreateTasksRequestSchema, { tasks: [task] });
}

function dependency(text: string, { batch }: NewTaskOptions): Dependency {
  if (isUuid(text)) return create(DependencySchema, { parent: { case: "taskId", value: text.toLowerCase() } });
  if (batch === undefined) {
    throw misuse(
      `--after "${text}" is a key, which names a task of one batch: say which with --batch, or give the task's id`,
    );
  }
  return create(DependencySchema, { parent: { case: "key", value: text } });
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
