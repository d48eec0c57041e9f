import { type JsonObject, type JsonValue, toBinary } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { type Dependency, type NewTask, NewTaskSchema } from "./gen/millpond/v1/task_pb.js";
import { UploadTasksRequestSchema } from "./gen/millpond/v1/task_service_pb.js";

/** Fields of a message are written behind a tag: their number, and how they are encoded (https://protobuf.dev/programming-guides/encoding). */
const varintType = 0;
const doubleType = 1;
const lengthType = 2;
const bytesFirst = 64 * 1024;

/** TasksWriter writes tasks as the library writes them in UploadTasksRequest.tasks. The library makes an object for each value in metadata and input, and a buffer for each message: for a hundred thousand tasks that takes longer than the server takes to read them. */
export class TasksWriter {
  #bytes = Buffer.allocUnsafe(bytesFirst);
  #end = 0;

  /** How many bytes have been written and not been taken. */
  get length(): number {
    return this.#end;
  }

  /** Writes a task, as an entry of the list. */
  write(task: NewTask): void {
    const start = this.#end;
    if (isPlain(task) && this.#writePlain(task)) return;
    this.#end = start;
    this.#bytesOf(UploadTasksRequestSchema.field.tasks.number, toBinary(NewTaskSchema, task));
  }

  /** Takes the first bytes of what has been written. */
  take(length: number): Uint8Array {
    const taken = Buffer.from(this.#bytes.subarray(0, length));
    this.#bytes.copyWithin(0, length, this.#end);
    this.#end -= length;
    return taken;
  }

  /** Fields by their numbers in millpond/v1/task.proto; false: something in it is for the library. */
  #writePlain({ key, name, kind, dependencies, unmetPolicy, metadata, input, priority }: NewTask): boolean {
    if (!isInt32(unmetPolicy) || !isInt32(priority)) return false;
    const start = this.#begin(UploadTasksRequestSchema.field.tasks.number);
    if (key !== "") this.#text(1, key);
    if (name !== "") this.#text(2, name);
    if (kind !== "") this.#text(3, kind);
    for (const dependency of dependencies) if (!this.#dependency(dependency)) return false;
    if (unmetPolicy !== 0) this.#number(5, unmetPolicy);
    if (metadata !== undefined) {
      const struct = this.#begin(6);
      if (!this.#struct(metadata)) return false;
      this.#finish(struct);
    }
    if (input !== undefined) {
      const value = this.#begin(7);
      if (!this.#value(input)) return false;
      this.#finish(value);
    }
    if (priority !== 0) this.#number(8, priority);
    this.#finish(start);
    return true;
  }

  #dependency({ parent, condition, $unknown }: Dependency): boolean {
    if ($unknown !== undefined || !isInt32(condition)) return false;
    const start = this.#begin(4);
    if (parent.case !== undefined) this.#text(parent.case === "key" ? 1 : 2, parent.value);
    if (condition !== 0) this.#number(3, condition);
    this.#finish(start);
    return true;
  }

  /** A google.protobuf.Struct, from JSON. */
  #struct(object: JsonObject): boolean {
    for (const key of Object.keys(object)) {
      const entry = this.#begin(1);
      this.#text(1, key);
      const value = this.#begin(2);
      if (!this.#json(object[key] as JsonValue)) return false;
      this.#finish(value);
      this.#finish(entry);
    }
    return true;
  }

  /** A google.protobuf.Value, from JSON. */
  #json(value: JsonValue | undefined): boolean {
    switch (typeof value) {
      case "number":
        this.#double(2, value);
        return true;
      case "string":
        this.#text(3, value);
        return true;
      case "boolean":
        this.#number(4, value ? 1 : 0);
        return true;
      case "object":
        if (value === null) this.#number(1, 0);
        else return Array.isArray(value) ? this.#jsonList(value) : this.#jsonStruct(value);
        return true;
      default:
        return false;
    }
  }

  #jsonStruct(object: JsonObject): boolean {
    const start = this.#begin(5);
    if (!this.#struct(object)) return false;
    this.#finish(start);
    return true;
  }

  #jsonList(items: readonly JsonValue[]): boolean {
    const list = this.#begin(6);
    for (const item of items) {
      const start = this.#begin(1);
      if (!this.#json(item)) return false;
      this.#finish(start);
    }
    this.#finish(list);
    return true;
  }

  /** A google.protobuf.Value, from its message. */
  #value({ kind, $unknown }: Value): boolean {
    if ($unknown !== undefined) return false;
    switch (kind.case) {
      case "nullValue":
        this.#number(1, kind.value);
        return true;
      case "numberValue":
        this.#double(2, kind.value);
        return true;
      case "stringValue":
        this.#text(3, kind.value);
        return true;
      case "boolValue":
        this.#number(4, kind.value ? 1 : 0);
        return true;
      case "structValue":
        return kind.value.$unknown === undefined && this.#fields(kind.value.fields);
      case "listValue":
        return kind.value.$unknown === undefined && this.#list(kind.value.values);
      default:
        return true;
    }
  }

  #fields(fields: Readonly<Record<string, Value>>): boolean {
    const struct = this.#begin(5);
    for (const key of Object.keys(fields)) {
      const entry = this.#begin(1);
      this.#text(1, key);
      const value = this.#begin(2);
      if (!this.#value(fields[key] as Value)) return false;
      this.#finish(value);
      this.#finish(entry);
    }
    this.#finish(struct);
    return true;
  }

  #list(values: readonly Value[]): boolean {
    const list = this.#begin(6);
    for (const each of values) {
      const start = this.#begin(1);
      if (!this.#value(each)) return false;
      this.#finish(start);
    }
    this.#finish(list);
    return true;
  }

  /** Begins a message in a field; it is not known how long it will be, but of most of them a byte says it. */
  #begin(field: number): number {
    this.#reserve(2);
    this.#bytes[this.#end++] = (field << 3) | lengthType;
    this.#end += 1;
    return this.#end;
  }

  #finish(start: number): void {
    const length = this.#end - start;
    if (length < 0x80) {
      this.#bytes[start - 1] = length;
      return;
    }
    const more = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4;
    this.#reserve(more);
    this.#bytes.copyWithin(start + more, start, this.#end);
    this.#end = start - 1;
    this.#varint(length);
    this.#end += length;
  }

  #text(field: number, text: string): void {
    // A unit of UTF-16 is three bytes of UTF-8 at most.
    this.#reserve(6 + 3 * text.length);
    this.#bytes[this.#end++] = (field << 3) | lengthType;
    // Most texts are short: then a byte says how long they are, which is known when they are written.
    if (text.length <= 42) {
      const bytes = this.#bytes.write(text, this.#end + 1);
      this.#bytes[this.#end] = bytes;
      this.#end += 1 + bytes;
      return;
    }
    this.#varint(Buffer.byteLength(text));
    this.#end += this.#bytes.write(text, this.#end);
  }

  #bytesOf(field: number, bytes: Uint8Array): void {
    this.#reserve(6 + bytes.length);
    this.#bytes[this.#end++] = (field << 3) | lengthType;
    this.#varint(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** An int32, an enum or a bool. */
  #number(field: number, value: number): void {
    this.#reserve(11);
    this.#bytes[this.#end++] = (field << 3) | varintType;
    if (value >= 0) {
      this.#varint(value);
      return;
    }
    // Of 64 bits: the upper half of a negative one is all ones.
    let [low, high] = [value >>> 0, 0xffffffff];
    for (let n = 0; n < 9; n += 1) {
      this.#bytes[this.#end++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#end++] = low;
  }

  #double(field: number, value: number): void {
    this.#reserve(9);
    this.#bytes[this.#end++] = (field << 3) | doubleType;
    this.#end = this.#bytes.writeDoubleLE(value, this.#end);
  }

  /** Room for it has been reserved. Numbers of 32 bits. */
  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#end++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + bytes));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

/** Whether a number can be written as it is: of any other, the library says what is wrong with it. */
function isInt32(value: number): boolean {
  return (value | 0) === value;
}

/** Whether a task has nothing but what is written here: none of the fields from number 9 on. */
function isPlain(task: NewTask): boolean {
  return (
    task.$unknown === undefined &&
    task.expectedCount === undefined &&
    task.startTime === undefined &&
    task.startTimeout === undefined &&
    task.inactivityTimeout === undefined &&
    task.executionTimeout === undefined &&
    task.totalTimeout === undefined &&
    task.retry === undefined &&
    task.execution.case === undefined &&
    task.rules.length + task.dedupe.length === 0 &&
    task.onSuccess.length + task.onFailure.length + task.onCancel.length === 0 &&
    !task.critical &&
    !task.onlyForDependents &&
    task.fairnessKey === "" &&
    task.fairnessWeight === 0
  );
}
