import { create } from "@bufbuild/protobuf";
import {
  type CreatedTask,
  type CreateTasksRequest,
  type CreateTasksResponse,
  CreateTasksResponseSchema,
  NewBatchSchema,
  TaskStatus,
  UploadTasksResponseSchema,
} from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { readGraphFile } from "../graph-file/graph-file.ts";
import { isLarge, submitLarge } from "../graph-file/submit-large.ts";
import { readText } from "../input/read-text.ts";
import { printJson } from "../terminal/print-json.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { type NewTaskOptions, newTaskRequest, taskFlagOf } from "./new-task.ts";

interface Options extends ConnectionOptions, NewTaskOptions {
  readonly batchName?: string;
  readonly open?: boolean;
  readonly requestId?: string;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
}

const columns: readonly Column<CreatedTask>[] = [
  { title: "TASK", text: ({ taskId }) => taskId || "(would be new)" },
  { title: "KEY", text: ({ key }) => key, cutTo: 10, dropRank: 2 },
  { title: "STATUS", text: ({ status }) => TaskStatus[status] ?? "", style: ({ status }) => statusStyle(status) },
  { title: "", text: ({ deduplicated }) => (deduplicated ? "was there already" : ""), dropRank: 1 },
];

/** createTasks is what `millpond task create` does. */
export async function createTasks(path: string | undefined, options: Options): Promise<void> {
  const file = path === undefined ? undefined : readGraphFile(await readFileOnly(path, options), path);
  const request = withTarget(file?.request ?? newTaskRequest(options, Date.now()), options);
  await withServer(options, async (session) => {
    try {
      await submit(request, options, session);
    } catch (error) {
      throw file?.explain(error) ?? error;
    }
  });
}

async function readFileOnly(path: string, options: Options): Promise<string> {
  const flag = taskFlagOf(options);
  if (flag === undefined) return readText(path);
  throw misuse(`${flag} describes a task and ${path} holds tasks: give one of them`);
}

function withTarget(request: CreateTasksRequest, options: Options): CreateTasksRequest {
  const { batch, batchName, open, requestId, dryRun } = options;
  const target = request.target;
  if (batch !== undefined) {
    if (batchName !== undefined || open)
      throw misuse("--batch names a batch that exists: --batch-name and --open are for a new one");
    if (target.case !== undefined)
      throw misuse("--batch says where the tasks go, and the file says it, too: leave one of them out");
    request.target = { case: "batchId", value: batch };
  } else if (batchName !== undefined || open) {
    if (target.case === "batchId")
      throw misuse("--batch-name and --open are for a new batch, and the file names one that exists");
    const value = target.case === "newBatch" ? target.value : create(NewBatchSchema);
    if (batchName !== undefined) value.name = batchName;
    if (open) value.open = true;
    request.target = { case: "newBatch", value };
  }
  if (requestId !== undefined) request.requestId = requestId;
  if (dryRun) request.validateOnly = true;
  return request;
}

async function submit(request: CreateTasksRequest, options: Options, session: Session): Promise<void> {
  const { client, signal, screen, json } = session;
  if (isLarge(request)) {
    if (options.quiet) {
      throw misuse(
        `--quiet prints ids, and the answer to an upload of ${request.tasks.length} tasks has none: leave it out`,
      );
    }
    const answer = await submitLarge(request, session);
    if (json) printJson(UploadTasksResponseSchema, answer);
    else
      screen.line(
        `batch ${answer.batch?.batchId}: ${answer.createdCount} tasks; \`millpond task list --batch\` has them`,
      );
    return;
  }
  const answer = await client.tasks.createTasks(request, { signal });
  if (json) printJson(CreateTasksResponseSchema, answer);
  else if (options.quiet) for (const { taskId } of answer.tasks) screen.line(taskId);
  else print(answer, session, request.validateOnly);
}

function print({ batch, tasks }: CreateTasksResponse, { screen }: Session, dryRun: boolean): void {
  if (dryRun) screen.line("Nothing is wrong with it; nothing was created.");
  else screen.line(`batch ${batch?.batchId}${batch?.open ? ", open" : ""}`);
  if (tasks.length > 0) for (const line of drawRows(screen, columns, tasks)) screen.line(line);
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
