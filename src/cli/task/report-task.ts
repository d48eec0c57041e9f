import { create, fromJson, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { ErrorReason, ReportTasksResponseSchema, type TaskReport, TaskReportSchema } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { printResults } from "./change-tasks.ts";

/** An option whose value may be left out. */
interface Given {
  readonly value?: JsonValue;
}

interface Options extends ConnectionOptions {
  readonly success?: Given;
  readonly failure?: string;
  readonly started?: boolean;
  readonly heartbeat?: Given;
  readonly attempt?: number;
  readonly addSuccessCount?: number;
  readonly addFailureCount?: number;
  readonly code?: string;
  readonly details?: JsonValue;
  readonly nonRetryable?: boolean;
  readonly retryDelay?: number;
}

/** reportTask is what `millpond task report` does. Fails with a CommandFailure when the report was refused. */
export async function reportTask(taskId: string, options: Options): Promise<void> {
  const report = reportOf(taskId, options);
  await withServer(options, async ({ client, signal, screen, json }) => {
    const answer = await client.tasks.reportTasks({ reports: [report] }, { signal });
    const result = answer.results[0]?.result;
    if (json) printJson(ReportTasksResponseSchema, answer);
    if (result?.case === "error") {
      throw new CommandFailure(`${result.value.message} (${ErrorReason[result.value.reason]})`);
    }
    if (!json) printResults(screen, [taskId], answer.results);
  });
}

function reportOf(taskId: string, options: Options): TaskReport {
  const { attempt = 0, failure, code, details, nonRetryable, retryDelay } = options;
  const more = { "--code": code, "--details": details, "--non-retryable": nonRetryable, "--retry-delay": retryDelay };
  const [stray] = Object.entries(more).find(([, value]) => value !== undefined) ?? [];
  if (failure === undefined && stray !== undefined) throw misuse(`${stray} belongs to --failure`);
  return create(TaskReportSchema, {
    ...{ taskId, attempt, report: sayingOf(options) },
    addSuccessCount: BigInt(options.addSuccessCount ?? 0),
    addFailureCount: BigInt(options.addFailureCount ?? 0),
  });
}

/** What is said, which is one thing. */
function sayingOf(options: Options): NonNullable<MessageInitShape<typeof TaskReportSchema>["report"]> {
  const { success, failure, started, heartbeat } = options;
  if ([success, failure, started, heartbeat].filter((value) => value !== undefined).length !== 1) {
    throw misuse("say what the report is, once: --success, --failure, --started or --heartbeat");
  }
  const json = ({ value }: Given) => (value === undefined ? undefined : fromJson(ValueSchema, value));
  if (started) return { case: "started", value: {} };
  if (success) {
    const output = json(success);
    return { case: "success", value: output ? { output } : {} };
  }
  if (heartbeat) {
    const progress = json(heartbeat);
    return { case: "heartbeat", value: progress ? { progress } : {} };
  }
  const { code = "", details, nonRetryable = false, retryDelay } = options;
  const value = {
    ...{ message: failure ?? "", code, nonRetryable },
    ...(details !== undefined && { details: fromJson(ValueSchema, details) }),
    ...(retryDelay !== undefined && { retryDelay: durationFromMs(retryDelay) }),
  };
  return { case: "failure", value };
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
