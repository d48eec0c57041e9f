import { toBinary } from "@bufbuild/protobuf";
import {
  type CreateTasksRequest,
  type MillpondClient,
  NewTaskSchema,
  type UploadTasksResponse,
  uploadTasks,
} from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { Session } from "../connection/with-server.ts";
import { UploadDisplay } from "../terminal/upload-display.ts";

/** What CreateTasks takes in one call: the contract's number of tasks, and bytes below the largest message that servers take by default. */
const tasksMax = 10_000;
const bytesMax = 8 * 1024 * 1024;

/** isLarge tells whether a request is too large for one call of CreateTasks. */
export function isLarge({ tasks }: CreateTasksRequest): boolean {
  if (tasks.length > tasksMax) return true;
  let bytes = 0;
  return tasks.some((task) => {
    bytes += toBinary(NewTaskSchema, task).byteLength;
    return bytes > bytesMax;
  });
}

/** submitLarge creates the tasks of a request by an upload in parts, all or none. */
export async function submitLarge(
  request: CreateTasksRequest,
  { client, signal, screen, json }: Pick<Session, "client" | "signal" | "screen" | "json">,
): Promise<UploadTasksResponse> {
  if (request.validateOnly) {
    throw new CommandFailure(
      `a graph of ${request.tasks.length} tasks is uploaded in parts, which cannot be tried out: leave --dry-run and validate_only out`,
      exitCodes.misuse,
    );
  }
  const { requestId, tasks } = request;
  const display = json ? undefined : new UploadDisplay(screen, tasks.length);
  try {
    const options = { ...(requestId !== "" && { requestId }), signal };
    return await uploadTasks(telling(client, display), { toRequest: () => request }, options);
  } finally {
    display?.stop();
  }
}

/** The client, whose uploads tell the display of each part when it is taken to be sent. One that is repeated begins anew. */
function telling({ tasks }: Pick<MillpondClient, "tasks">, display: UploadDisplay | undefined) {
  const uploadWith: typeof tasks.uploadTasks = (parts, options) => tasks.uploadTasks(told(parts, display), options);
  return { tasks: { ...tasks, uploadTasks: uploadWith } };
}

async function* told<Part extends { readonly tasks?: readonly unknown[] }>(
  parts: AsyncIterable<Part>,
  display: UploadDisplay | undefined,
): AsyncGenerator<Part> {
  let sent = 0;
  for await (const part of parts) {
    sent += part.tasks?.length ?? 0;
    display?.sent(sent);
    yield part;
  }
}
