import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { NewTask } from "./gen/millpond/v1/task_pb.js";
import { type UploadTasksRequest, UploadTasksRequestSchema } from "./gen/millpond/v1/task_service_pb.js";
import { TasksWriter } from "./task-writer.ts";

/** partSizeMax is how many tasks one message holds at most. */
export const partSizeMax = 5_000;
/** Well below the largest message that a server accepts by default, 16 MiB. A larger task travels alone. */
const partBytesMax = 4 * 1024 * 1024;
/** PartOptions says how many tasks a message holds, and whether its bytes may be handed to the transport as they are (it writes no JSON). */
export interface PartOptions {
  readonly partSize: number;
  readonly isBinary: boolean;
}

/** uploadParts makes the messages of an upload: the first says where to, each of the others holds some tasks. A task is written to know how long it is, and sent as it was written. */
export async function* uploadParts(
  first: UploadTasksRequest,
  tasks: readonly NewTask[],
  { partSize, isBinary }: PartOptions,
): AsyncGenerator<UploadTasksRequest> {
  yield first;
  const writer = new TasksWriter();
  let from = 0;
  /** Makes a part of the tasks from `from` to a place, which are the first bytes of what has been written. */
  const part = (to: number, bytes: number): UploadTasksRequest => {
    const message = partOf(tasks.slice(from, to), writer.take(bytes), isBinary);
    from = to;
    return message;
  };
  for (const [n, task] of tasks.entries()) {
    const before = writer.length;
    writer.write(task);
    if (n > from && writer.length > partBytesMax) yield part(n, before);
    if (n + 1 - from === partSize || n + 1 === tasks.length) yield part(n + 1, writer.length);
  }
}

function partOf(tasks: NewTask[], written: Uint8Array, isBinary: boolean): UploadTasksRequest {
  if (!isBinary) return create(UploadTasksRequestSchema, { tasks });
  const message = create(UploadTasksRequestSchema);
  // A field that a message does not know is sent as it is, behind its tag: one byte, which is written here already.
  const data = written.subarray(1);
  message.$unknown = [{ no: UploadTasksRequestSchema.field.tasks.number, wireType: WireType.LengthDelimited, data }];
  return message;
}
