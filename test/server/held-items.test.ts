import { create, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { NewTaskSchema, type UploadTasksRequest, UploadTasksRequestSchema } from "@millpond/sdk";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HeldItems } from "../../src/server/held-items.ts";
import { type SlicedItems, sliceParts } from "../../src/server/slice-parts.ts";
import { ReadNewTask } from "../../src/wire/read-new-task.ts";
import { arbitraryMessage } from "../support/arbitrary-message.ts";

type Part = MessageInitShape<typeof UploadTasksRequestSchema>;

const { number: field } = UploadTasksRequestSchema.field.tasks;
const plain = (n: number) => ({ key: `${n}`, name: `task ${n}`, kind: "k", metadata: { n, tags: ["é", null] } });
const plainTasks = (count: number) => Array.from({ length: count }, (_, n) => plain(n));
const first: Part = { requestId: "r", target: { case: "newBatch", value: { name: "b" } } };

function frame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

/** The messages of an upload as services get them, and how many tasks each was sent with, where it is a part of what was sent. */
async function restored(...messages: readonly Uint8Array[]) {
  const held = new HeldItems();
  const hold = (message: number, items: SlicedItems) => held.hold(message, items);
  const body = (async function* () {
    yield Buffer.concat(messages.map(frame));
  })();
  const parts: UploadTasksRequest[] = [];
  for await (const bytes of sliceParts(body, { field, maxMessageBytes: 16 * 1024 * 1024, hold }))
    for (const message of held.restore(fromBinary(UploadTasksRequestSchema, bytes.subarray(5))))
      parts.push(message as UploadTasksRequest);
  return { parts, counts: held.counts };
}

const write = (part: Part) => toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, part));
const joined = (parts: readonly UploadTasksRequest[]) =>
  create(UploadTasksRequestSchema, {
    ...{ requestId: parts[0]?.requestId ?? "", target: parts[0]?.target ?? { case: undefined } },
    tasks: parts.flatMap(({ tasks }) => tasks),
  });

test("what was taken out of messages is put back in small parts, as the library reads it", async () => {
  const tasks = fc.array(fc.oneof(arbitraryMessage(NewTaskSchema, 1), fc.nat(9).map(plain)), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(tasks, async (given) => {
      const bytes = write({ ...first, tasks: given as Part["tasks"] & object });
      const { parts } = await restored(bytes);
      for (const part of parts) expect(part.tasks.length).toBeLessThanOrEqual(25);
      const library = fromBinary(UploadTasksRequestSchema, bytes);
      const again = fromBinary(UploadTasksRequestSchema, bytes);
      // A number that is none is not equal to itself.
      expect(equals(UploadTasksRequestSchema, joined(parts), library)).toBe(
        equals(UploadTasksRequestSchema, again, library),
      );
      expect(parts.slice(1).every(({ requestId, target }) => requestId === "" && target.case === undefined)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("plain tasks are read without the library, and of each message that is in parts it is known how many it has", async () => {
  const messages = [write(first), write({ tasks: plainTasks(60) }), write({ tasks: plainTasks(3) })];
  const { parts, counts } = await restored(...messages, write({ tasks: plainTasks(26) }));
  expect(parts.map(({ tasks }) => tasks.length)).toEqual([0, 25, 25, 10, 3, 25, 1]);
  expect([...counts]).toEqual([
    [1, 60],
    [2, 0],
    [3, 0],
    [5, 26],
    [6, 0],
  ]);
  const ofReader = parts.map(({ tasks }) => tasks.every((task) => task instanceof ReadNewTask));
  expect(ofReader).toEqual([true, true, true, true, false, true, true]);
});

test("what a message says beside its tasks stays with its first part, known here or not", async () => {
  const [head, tasks] = [write(first), write({ tasks: plainTasks(60) })];
  // Field 9, a number, which this version does not have.
  const { parts } = await restored(Buffer.concat([head, Buffer.from([9 << 3, 7]), tasks]));
  expect(parts.map(({ $unknown }) => $unknown?.map(({ no }) => no))).toEqual([[9], undefined, undefined]);
  expect(parts.map(({ requestId, target }) => [requestId, target.case])).toEqual([
    ["r", "newBatch"],
    ["", undefined],
    ["", undefined],
  ]);
});

test("numbers in more bytes than they take are read by the library", async () => {
  const bytes = Buffer.from(write({ tasks: plainTasks(30) }));
  // The length of the first task, in one byte more.
  const padded = Buffer.concat([
    bytes.subarray(0, 1),
    Buffer.from([(bytes[1] as number) | 0x80, 0]),
    bytes.subarray(2),
  ]);
  const { parts } = await restored(padded);
  expect(equals(UploadTasksRequestSchema, joined(parts), fromBinary(UploadTasksRequestSchema, bytes))).toBe(true);
});

test("a task that cannot be decoded is refused as the library does", async () => {
  const bytes = Buffer.from(write({ tasks: plainTasks(30) }));
  // Field number 0, in the last task.
  bytes[bytes.lastIndexOf("task 29") - 2] = 0x02;
  let text = "";
  try {
    fromBinary(UploadTasksRequestSchema, bytes);
  } catch (error) {
    text = (error as Error).message;
  }
  expect(text).not.toBe("");
  await expect(restored(bytes)).rejects.toThrow(`parse binary: ${text}`);
});
