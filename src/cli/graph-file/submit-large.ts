import { toBinary } from "@bufbuild/protobuf";
import { type CreateTasksRequest, NewTaskSchema, type UploadTasksResponse, uploadTasks } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { Session } from "../connection/with-server.ts";

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
  { client, signal }: Pick<Session, "client" | "signal">,
): Promise<UploadTasksResponse> {
  if (request.validateOnly) {
    throw new CommandFailure(
      `a graph of ${request.tasks.length} tasks is uploaded in parts, which cannot be tried out: leave --dry-run and validate_only out`,
      exitCodes.misuse,
    );
  }
  const { requestId } = request;
  return uploadTasks(client, { toRequest: () => request }, { ...(requestId !== "" && { requestId }), signal });
}
