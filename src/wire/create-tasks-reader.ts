import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { NewBatchSchema } from "../gen/millpond/v1/batch_pb.ts";
import type { NewTask } from "../gen/millpond/v1/task_pb.ts";
import { type CreateTasksRequest, CreateTasksRequestSchema } from "../gen/millpond/v1/task_service_pb.ts";
import { ProtoReader, unusual } from "./proto-reader.ts";
import { type PartReaders, ReadNewTask } from "./read-new-task.ts";
import { createPartReaders, readTask, restTo } from "./task-entries-reader.ts";

/** One level of messages is the request itself. */
const recursionLimit = 99;

/** ReadCreateTasks is a CreateTasksRequest that was read without the library: a message as any other, that knows its bytes. */
class ReadCreateTasks implements CreateTasksRequest {
  readonly $typeName = "millpond.v1.CreateTasksRequest";
  requestId = "";
  target: CreateTasksRequest["target"] = { case: undefined };
  tasks: NewTask[] = [];
  validateOnly = false;
  readonly #source: Buffer;
  /** Where the bytes of the new batch stand. */
  #batch: readonly [number, number] | undefined;
  /** Each task was read as the library would write it. */
  #isPlain = true;

  constructor(reader: ProtoReader, parts: PartReaders) {
    this.#source = reader.bytes;
    for (let last = 0; reader.position < reader.end; ) {
      const tag = reader.varint();
      const field = tag >>> 3;
      if (field <= last && (field !== 4 || last !== 4)) throw unusual;
      // One target at most.
      if (field === 3 && this.target.case !== undefined) throw unusual;
      last = field;
      this.#read(reader, tag, parts);
    }
  }

  /** The bytes that the library would write; undefined: they may differ from those that came. */
  get asWritten(): Uint8Array | undefined {
    if (!this.#isPlain) return undefined;
    if (this.#batch !== undefined && this.target.case === "newBatch") {
      const given = this.#source.subarray(...this.#batch);
      if (!given.equals(toBinary(NewBatchSchema, this.target.value))) return undefined;
    }
    return this.#source;
  }

  /** Reads a field, by its tag: number and wire type in millpond/v1/task_service.proto. */
  #read(reader: ProtoReader, tag: number, parts: PartReaders): void {
    switch (tag) {
      case (1 << 3) | 2:
        this.requestId = reader.filledText();
        break;
      case (2 << 3) | 2: {
        const end = reader.lengthEnd();
        this.#batch = [reader.position, end];
        this.target = {
          case: "newBatch",
          value: fromBinary(NewBatchSchema, restTo(reader, end), { recursionLimit }),
        };
        break;
      }
      case (3 << 3) | 2:
        this.target = { case: "batchId", value: reader.text() };
        break;
      case (4 << 3) | 2:
        this.#addTask(readTask(reader, reader.lengthEnd(), parts));
        break;
      case 5 << 3:
        this.validateOnly = reader.positive(1) === 1;
        break;
      default:
        throw unusual;
    }
  }

  #addTask(task: NewTask): void {
    if (!(task instanceof ReadNewTask)) this.#isPlain = false;
    this.tasks.push(task);
  }
}

/**
 * createCreateTasksReader makes a reader of CreateTasksRequests that makes no message objects of what the tasks carry: the same message as the library's for who looks
 * at it. Undefined: it is for the library to read, or to say what is wrong with it.
 */
export function createCreateTasksReader(): (bytes: Uint8Array) => CreateTasksRequest | undefined {
  const parts = createPartReaders();
  return (bytes) => {
    try {
      return new ReadCreateTasks(new ProtoReader(bytes), parts);
    } catch {
      // Whatever it is, the library finds it too, and says it in its words.
      return undefined;
    }
  };
}

/** The bytes that the library writes of a request, from which they need not be written again where it was read from them. */
export function createTasksBytes(request: CreateTasksRequest): Uint8Array {
  return (
    (request instanceof ReadCreateTasks ? request.asWritten : undefined) ?? toBinary(CreateTasksRequestSchema, request)
  );
}
