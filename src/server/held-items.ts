import { create, type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextKey, createContextKey } from "@connectrpc/connect";
import type { NewTask } from "../gen/millpond/v1/task_pb.ts";
import { type UploadTasksRequest, UploadTasksRequestSchema } from "../gen/millpond/v1/task_service_pb.ts";
import { createTaskEntriesReader, type TaskEntriesReader } from "../wire/task-entries-reader.ts";
import type { SlicedItems } from "./slice-parts.ts";

/**
 * HeldItems has the tasks of an upload's messages, which the RPC library has decoded without them, and puts them back, a few at a time: as messages with
 * some tasks each, made without the library where they are plain.
 */
export class HeldItems {
  /** Of messages that have been put together, by their number from 0, how many tasks the whole has (the first one), or 0. */
  readonly counts = new Map<number, number>();
  readonly #items = new Map<number, SlicedItems>();
  readonly #read: TaskEntriesReader = createTaskEntriesReader();
  #decoded = 0;
  #made = 0;

  /** Takes the tasks of a message. */
  hold(message: number, items: SlicedItems): void {
    this.#items.set(message, items);
  }

  /** The messages that the next message of the library stands for. Throws as the library does where a task cannot be decoded. */
  *restore(message: MessageShape<DescMessage>): Generator<MessageShape<DescMessage>> {
    const items = this.#items.get(this.#decoded);
    this.#items.delete(this.#decoded);
    this.#decoded += 1;
    if (items === undefined) {
      this.#made += 1;
      yield message;
      return;
    }
    for (const [n, slice] of items.slices.entries()) {
      this.counts.set(this.#made, n === 0 ? items.count : 0);
      this.#made += 1;
      // The first one is what the library has read, with all that it may say beside its tasks.
      const part = n === 0 ? (message as UploadTasksRequest) : create(UploadTasksRequestSchema);
      part.tasks = this.#tasks(slice);
      yield part;
    }
  }

  #tasks(slice: Uint8Array): NewTask[] {
    try {
      return this.#read(slice) ?? fromBinary(UploadTasksRequestSchema, slice).tasks;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new ConnectError(`parse binary: ${text}`, Code.Internal);
    }
  }
}

/** The key under which a call's context values hold what was taken out of its messages; undefined: nothing is. */
export const heldItemsKey: ContextKey<HeldItems | undefined> = createContextKey<HeldItems | undefined>(undefined, {
  description: "tasks of an upload, taken out of its messages",
});
