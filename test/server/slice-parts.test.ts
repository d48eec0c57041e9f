import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { UploadTasksRequestSchema } from "@millpond/sdk";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SlicedItems, sliceParts } from "../../src/server/slice-parts.ts";

const { number: field } = UploadTasksRequestSchema.field.tasks;
const maxMessageBytes = 1024 * 1024;

function frame(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.from([flags, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

function part(tasks: number, requestId = "", text = ""): Buffer {
  const target = requestId === "" ? undefined : ({ case: "newBatch", value: { name: "b" } } as const);
  const named = Array.from({ length: tasks }, (_, n) => ({ key: `${n}`, name: `n${text}` }));
  return frame(
    toBinary(
      UploadTasksRequestSchema,
      create(UploadTasksRequestSchema, { requestId, tasks: named, ...(target && { target }) }),
    ),
  );
}

async function* inPieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function sliced(bytes: Buffer, pieceBytes = 4_096) {
  const held = new Map<number, SlicedItems>();
  const out: Buffer[] = [];
  const hold = (message: number, items: SlicedItems) => void held.set(message, items);
  for await (const piece of sliceParts(inPieces(bytes, pieceBytes), { field, maxMessageBytes, hold }))
    out.push(Buffer.from(piece));
  return { bytes: Buffer.concat(out), held };
}

/** The messages of a stream. */
function messagesOf(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    messages.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

const decode = (bytes: Uint8Array) => fromBinary(UploadTasksRequestSchema, bytes);

describe("slices of a stream's messages", () => {
  it("say together what the messages said, however the bytes come", async () => {
    const sizes = fc.array(fc.nat(120), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 3_000 }), async (counts, pieceBytes) => {
        const parts = counts.map((count, n) => part(count, n === 0 ? "id" : "", "x".repeat(count)));
        const { bytes, held } = await sliced(Buffer.concat(parts), pieceBytes);
        const messages = messagesOf(bytes);
        expect(messages).toHaveLength(parts.length);
        for (const [n, message] of messages.entries()) {
          const items = held.get(n);
          const slices = items?.slices ?? [];
          for (const slice of [message, ...slices]) expect(decode(slice).tasks.length).toBeLessThanOrEqual(25);
          expect(decode(message).tasks).toHaveLength(items === undefined ? (counts[n] as number) : 0);
          if (items !== undefined) expect(items.count).toBe(counts[n]);
          // Messages of Protobuf that are put together are one message.
          expect(decode(Buffer.concat([message, ...slices]))).toEqual(decode((parts[n] as Buffer).subarray(5)));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("are cut by size where items are large", async () => {
    const { held } = await sliced(part(20, "", "x".repeat(5_000)));
    const slices = held.get(0)?.slices ?? [];
    expect(slices.length).toBeGreaterThan(4);
    expect(slices.flatMap((slice) => decode(slice).tasks.map(({ key }) => key))).toHaveLength(20);
  });

  const tasksFirst = Buffer.concat([part(60).subarray(5), Buffer.from([0x0a, 1, 0x78])]);
  const whole: [string, Buffer][] = [
    ["is compressed", frame(part(60).subarray(5), 1)],
    ["ends the stream", frame(Buffer.from("{}"), 2)],
    ["has something behind its items", frame(tasksFirst)],
    ["breaks off in an item", frame(part(60).subarray(5, -3))],
    [
      "has a length beyond every message",
      frame(Buffer.concat([part(60).subarray(5), Buffer.from([0x22, ...Array(12).fill(0xff)])])),
    ],
    ["has a group", frame(Buffer.concat([Buffer.from([0x0b, 0x0c]), part(60).subarray(5)]))],
    ["has more items than the contract allows", part(10_001)],
    ["is empty", frame(Buffer.alloc(0))],
  ];
  it.each(whole)("are not made of a message that %s", async (_what, message) => {
    const bytes = Buffer.concat([part(1), message, part(1)]);
    expect(await sliced(bytes)).toEqual({ bytes, held: new Map() });
  });

  it("are not waited for in a message that is too large: its bytes pass as they come, and all after them", async () => {
    const prefix = Buffer.from([0, 0, 0, 0, 0]);
    prefix.writeUInt32BE(maxMessageBytes + 1, 1);
    async function* stalls(): AsyncGenerator<Uint8Array> {
      yield prefix;
      await new Promise(() => {});
    }
    const first = await sliceParts(stalls(), { field, maxMessageBytes, hold: () => {} }).next();
    expect(Buffer.from(first.value as Uint8Array)).toEqual(prefix);
    const bytes = Buffer.concat([prefix, part(60)]);
    expect(await sliced(bytes, 7)).toEqual({ bytes, held: new Map() });
  });

  it("leave a message that breaks off as it is", async () => {
    const bytes = part(60).subarray(0, -1);
    expect(await sliced(bytes)).toEqual({ bytes, held: new Map() });
  });
});
