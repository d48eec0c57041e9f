import { create, type JsonObject } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Task,
  TaskSchema,
  type UpdateTaskRequest,
  UpdateTaskRequestSchema,
  UpdateTaskResponseSchema,
} from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { type RulesFile, readRulesFile } from "../rule/rules-file.ts";
import { printJson } from "../terminal/print-json.ts";
import { printTask } from "./task-details.ts";

interface Options extends ConnectionOptions {
  readonly priority?: number;
  readonly metadata?: JsonObject;
  readonly mergeMetadata?: JsonObject;
  readonly expectedCount?: number;
  /** In milliseconds, as the others. */
  readonly startTimeout?: number;
  readonly inactivityTimeout?: number;
  readonly executionTimeout?: number;
  readonly totalTimeout?: number;
  /** The file that holds them. */
  readonly rules?: string;
  /** Fields that return to their defaults, as their options are called. */
  readonly reset?: readonly string[];
  readonly etag?: string;
  readonly requestId?: string;
}

/** updateTask is what `millpond task update` does. */
export async function updateTask(taskId: string, options: Options): Promise<void> {
  const file = options.rules === undefined ? undefined : await readRulesFile(options.rules, "task.rules");
  const request = updateRequest(taskId, options, file);
  await withServer(options, async ({ client, signal, screen, json }) => {
    const answer = await client.tasks.updateTask(request, { signal }).catch((error: unknown) => {
      throw file?.explain(error) ?? error;
    });
    if (json) printJson(UpdateTaskResponseSchema, answer);
    else if (answer.task) printTask(screen, answer.task, Date.now());
  });
}

function updateRequest(taskId: string, options: Options, file: RulesFile | undefined): UpdateTaskRequest {
  const { metadata, mergeMetadata, reset = [], etag = "", requestId = "" } = options;
  if (metadata !== undefined && mergeMetadata !== undefined) {
    throw misuse(
      "--metadata and --merge-metadata exclude each other: one replaces what is there, the other adds to it",
    );
  }
  const changes = changesOf(options, file);
  const resets = reset.map((name) => name.replaceAll("-", "_"));
  const paths = [...new Set([...changes.keys(), ...resets])];
  if (paths.length === 0) throw misuse("there is nothing to change: --priority and its like say what becomes of what");
  const twice = resets.find((path) => changes.has(path));
  if (twice !== undefined)
    throw misuse(`${twice.replaceAll("_", "-")} is given a value and reset: leave one of them out`);
  return create(UpdateTaskRequestSchema, {
    task: create(TaskSchema, Object.assign({ taskId, etag }, ...changes.values())),
    updateMask: { paths },
    mergeMetadata: mergeMetadata !== undefined,
    requestId,
  });
}

/** What changes, by its path in the update mask. */
function changesOf(options: Options, file: RulesFile | undefined): Map<string, Partial<Task>> {
  const { priority, expectedCount, startTimeout, inactivityTimeout, executionTimeout, totalTimeout } = options;
  const metadata = options.mergeMetadata ?? options.metadata;
  const duration = (ms: number | undefined) => (ms === undefined ? undefined : durationFromMs(ms));
  const all: Readonly<Record<string, Partial<Task> | undefined>> = {
    priority: priority === undefined ? undefined : { priority },
    metadata: metadata && { metadata },
    expected_count: expectedCount === undefined ? undefined : { expectedCount: BigInt(expectedCount) },
    start_timeout: given("startTimeout", duration(startTimeout)),
    inactivity_timeout: given("inactivityTimeout", duration(inactivityTimeout)),
    execution_timeout: given("executionTimeout", duration(executionTimeout)),
    total_timeout: given("totalTimeout", duration(totalTimeout)),
    rules: file && { rules: [...file.rules] },
  };
  return new Map(Object.entries(all).flatMap(([path, change]) => (change === undefined ? [] : [[path, change]])));
}

function given<Name extends keyof Task>(name: Name, value: Task[Name] | undefined): Partial<Task> | undefined {
  return value === undefined ? undefined : ({ [name]: value } as Partial<Task>);
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
