import { fromBinary } from "@bufbuild/protobuf";
import { type NewTask, NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { JsonTextReader } from "./json-text-reader.ts";
import { ProtoReader, unusual } from "./proto-reader.ts";
import { type PartReaders, ReadNewTask } from "./read-new-task.ts";
import { RulesReader } from "./rules-reader.ts";

/** One level of messages is the one that the tasks are in. */
const recursionLimit = 99;
const lengthDelimited = 2;

/** What tasks are read with; made once for many requests. */
export function createPartReaders(): PartReaders {
  return { json: new JsonTextReader(), rules: new RulesReader() };
}

/** Reads tasks of a list, as they stand in the bytes of a message: tag, length, task, and so on. Undefined: it is for the library to read them, or to say what is wrong. */
export type TaskEntriesReader = (bytes: Uint8Array) => NewTask[] | undefined;

/** createTaskEntriesReader makes a reader that makes no message objects of what tasks carry. */
export function createTaskEntriesReader(parts: PartReaders = createPartReaders()): TaskEntriesReader {
  return (bytes) => {
    try {
      const reader = new ProtoReader(bytes);
      const tasks: NewTask[] = [];
      while (reader.position < reader.end) {
        if ((reader.varint() & 7) !== lengthDelimited) return undefined;
        tasks.push(readTask(reader, reader.lengthEnd(), parts));
      }
      return tasks;
    } catch {
      return undefined;
    }
  };
}

/** Reads a task from here to `end`: without the library where it is plain. */
export function readTask(reader: ProtoReader, end: number, parts: PartReaders): NewTask {
  const start = reader.position;
  try {
    return new ReadNewTask(reader, end, parts);
  } catch (error) {
    if (error !== unusual) throw error;
    reader.position = start;
    return fromBinary(NewTaskSchema, restTo(reader, end), { recursionLimit });
  }
}

/** What is left to `end`, as the library takes bytes: parts of them become parts of messages, and no Buffers. */
export function restTo(reader: ProtoReader, end: number): Uint8Array {
  const { buffer, byteOffset } = reader.bytes;
  const part = new Uint8Array(buffer, byteOffset + reader.position, end - reader.position);
  reader.position = end;
  return part;
}
