import { create, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { NewTask } from "./gen/millpond/v1/task_pb.js";
import { type UploadTasksRequest, UploadTasksRequestSchema } from "./gen/millpond/v1/task_service_pb.js";

/** partSizeMax is how many tasks one message holds at most. */
export const partSizeMax = 5_000;
/** Well below the largest message that a server accepts by default, 16 MiB. A larger task travels alone. */
const partBytesMax = 4 * 1024 * 1024;
/** So many tasks are written at a time: quicker than one by one, and little to write again where they are large. */
const tasksPerStep = 10;

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
  let part = new Part();
  let bytesPerTask = 0;
  for (let from = 0; from < tasks.length; ) {
    // As many as there is room for, should they be as large as the last ones.
    const fitting = Math.max(1, Math.floor((partBytesMax - part.bytes) / bytesPerTask));
    let step = tasks.slice(from, from + Math.min(tasksPerStep, partSize - part.size, fitting));
    let written = writeTasks(step);
    if (step.length > 1 && part.bytes + written.byteLength > partBytesMax) {
      step = step.slice(0, 1);
      written = writeTasks(step);
    }
    if (part.size > 0 && part.bytes + written.byteLength > partBytesMax) {
      yield part.toMessage(isBinary);
      part = new Part();
    }
    part.add(step, written);
    bytesPerTask = written.byteLength / step.length;
    from += step.length;
    if (part.size === partSize || from === tasks.length) {
      yield part.toMessage(isBinary);
      part = new Part();
    }
  }
}

/** Part is what one message holds. */
class Part {
  bytes = 0;
  readonly #tasks: NewTask[] = [];
  readonly #written: Uint8Array[] = [];

  get size(): number {
    return this.#tasks.length;
  }

  add(tasks: readonly NewTask[], written: Uint8Array): void {
    this.#tasks.push(...tasks);
    this.#written.push(written);
    this.bytes += written.byteLength;
  }

  toMessage(isBinary: boolean): UploadTasksRequest {
    if (!isBinary) return create(UploadTasksRequestSchema, { tasks: this.#tasks });
    const message = create(UploadTasksRequestSchema);
    // A field that a message does not know is sent as it is, behind its tag: one byte, which is written here already.
    const data = Buffer.concat(this.#written).subarray(1);
    message.$unknown = [{ no: UploadTasksRequestSchema.field.tasks.number, wireType: WireType.LengthDelimited, data }];
    return message;
  }
}

/** Tasks on the wire, as entries of the field of a message. */
function writeTasks(tasks: readonly NewTask[]): Uint8Array {
  return toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, { tasks: [...tasks] }));
}
