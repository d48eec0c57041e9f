import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  CancelTasksResponseSchema,
  ErrorReason,
  PauseTasksResponseSchema,
  type ReportResult,
  ResumeTasksResponseSchema,
  RetryTasksResponseSchema,
  TaskStatus,
} from "@millpond/sdk";
import { CommandFailure } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { type Screen, styled } from "../terminal/screen.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { printable } from "../terminal/text-width.ts";

interface Options extends ConnectionOptions {
  readonly reason?: string;
  readonly withDependents?: boolean;
}

/** TaskChange is what can be done to tasks. */
export type TaskChange = "cancel" | "pause" | "resume" | "retry";

/** The contract's bound of one call. */
const tasksPerCallMax = 1_000;

/** changeTasks is what `millpond task cancel`, `pause`, `resume` and `retry` do. Fails with a CommandFailure when one of the tasks was refused. */
export async function changeTasks(change: TaskChange, taskIds: readonly string[], options: Options): Promise<void> {
  await withServer(options, async (session) => {
    let refused = 0;
    for (let from = 0; from < taskIds.length; from += tasksPerCallMax) {
      const ids = taskIds.slice(from, from + tasksPerCallMax);
      const results = await call(change, ids, options, session);
      refused += results.filter(({ result }) => result.case === "error").length;
      if (!session.json) printResults(session.screen, ids, results);
    }
    if (refused > 0) throw new CommandFailure(`${refused} of ${taskIds.length} tasks: nothing was changed`);
  });
}

/** printResults says of each task what became of it. */
export function printResults(screen: Screen, taskIds: readonly string[], results: readonly ReportResult[]): void {
  for (const [index, { result, cancelRequested }] of results.entries()) {
    const id = taskIds[index] ?? "";
    if (result.case === "error") {
      const { reason, message } = result.value;
      screen.line(`${id}  ${styled(screen, "red", "refused")}  ${printable(message)} (${ErrorReason[reason]})`);
    } else if (result.case === "task") {
      const { status } = result.value;
      const name = TaskStatus[status] ?? "";
      const style = statusStyle(status);
      const stop = cancelRequested ? "  its executor is told to stop" : "";
      screen.line(`${id}  ${style ? styled(screen, style, name) : name}${stop}`);
    }
  }
}

async function call(
  change: TaskChange,
  taskIds: string[],
  { reason = "", withDependents = false }: Options,
  { client: { tasks }, signal, json }: Session,
): Promise<readonly ReportResult[]> {
  const show = <Desc extends DescMessage>(schema: Desc, answer: MessageShape<Desc>): MessageShape<Desc> => {
    if (json) printJson(schema, answer);
    return answer;
  };
  switch (change) {
    case "cancel":
      return show(CancelTasksResponseSchema, await tasks.cancelTasks({ taskIds, reason }, { signal })).results;
    case "pause":
      return show(PauseTasksResponseSchema, await tasks.pauseTasks({ taskIds }, { signal })).results;
    case "resume":
      return show(ResumeTasksResponseSchema, await tasks.resumeTasks({ taskIds }, { signal })).results;
    case "retry":
      return show(RetryTasksResponseSchema, await tasks.retryTasks({ taskIds, withDependents }, { signal })).results;
  }
}
