import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
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
  readonly heartbeat?: Given;
  readonly attempt?: number;
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
  const { success, failure, heartbeat, attempt = 0, code, details, nonRetryable, retryDelay } = options;
  const said = [success, failure, heartbeat].filter((value) => value !== undefined).length;
  if (said !== 1) throw misuse("say what the report is, once: --success, --failure or --heartbeat");
  const more = { "--code": code, "--details": details, "--non-retryable": nonRetryable, "--retry-delay": retryDelay };
  const [stray] = Object.entries(more).find(([, value]) => value !== undefined) ?? [];
  if (failure === undefined && stray !== undefined) throw misuse(`${stray} belongs to --failure`);
  const json = ({ value }: Given) => (value === undefined ? undefined : fromJson(ValueSchema, value));
  if (success) {
    const output = json(success);
    return create(TaskReportSchema, { taskId, attempt, report: { case: "success", value: output ? { output } : {} } });
  }
  if (heartbeat) {
    const progress = json(heartbeat);
    return create(TaskReportSchema, {
      taskId,
      attempt,
      report: { case: "heartbeat", value: progress ? { progress } : {} },
    });
  }
  const value = {
    ...{ message: failure ?? "", code: code ?? "", nonRetryable: nonRetryable ?? false },
    ...(details !== undefined && { details: fromJson(ValueSchema, details) }),
    ...(retryDelay !== undefined && { retryDelay: durationFromMs(retryDelay) }),
  };
  return create(TaskReportSchema, { taskId, attempt, report: { case: "failure", value } });
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
