import { brotliCompressSync, gzipSync } from "node:zlib";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CreateTasksRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { guardBody } from "../../src/server/guard-body.ts";
import { guardedBytesMin } from "../../src/server/message-guard.ts";

const maxMessageBytes = 1024 * 1024;
const large = Buffer.alloc(guardedBytesMin + 1, "large");

function envelope(message: Uint8Array, flags = 0, length = message.byteLength): Buffer {
  const prefix = Buffer.from([flags, 0, 0, 0, 0]);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

async function* inPieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function guarded(body: AsyncIterable<Uint8Array>, headers: Record<string, string>) {
  const seen: Buffer[] = [];
  const out = guardBody(
    body,
    { input: CreateTasksRequestSchema, header: new Headers(headers) },
    {
      guard: (_input, bytes) => void seen.push(Buffer.from(bytes)),
      compressions: [compressionGzip, compressionBrotli],
      maxMessageBytes,
    },
  );
  return { out, seen };
}

async function passed(body: Buffer, headers: Record<string, string>, pieceBytes = 16 * 1024) {
  const { out, seen } = guarded(inPieces(body, pieceBytes), headers);
  const bytes: Uint8Array[] = [];
  for await (const piece of out) bytes.push(Buffer.from(piece));
  return { bytes: Buffer.concat(bytes), seen };
}

const grpc = { "content-type": "application/grpc" };

describe("envelopes", () => {
  test("pass unchanged, in whatever pieces they come, and the large ones are seen whole", async () => {
    const messages = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
        fc
          .integer({ min: guardedBytesMin - 1, max: guardedBytesMin + 4 })
          .map((length) => Buffer.alloc(length, length)),
      ),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(messages, fc.constantFrom(7, 1_000, 70_000, 2 ** 24), fc.nat(4), async (given, pieces, cut) => {
        const all = Buffer.concat([...given.map((message) => envelope(message)), Buffer.alloc(cut)]);
        const pieceBytes = all.length > 100_000 ? Math.max(pieces, 1_000) : pieces;
        const { bytes, seen } = await passed(all, grpc, pieceBytes);
        expect(bytes.equals(all)).toBe(true);
        expect(seen).toEqual(given.filter(({ length }) => length > guardedBytesMin));
      }),
      { numRuns: 20 },
    );
  });

  test("that are small do not wait for what follows", async () => {
    const { promise: never } = Promise.withResolvers<void>();
    async function* body() {
      yield Buffer.concat([envelope(Buffer.from("a")), envelope(large).subarray(0, 100)]);
      await never;
    }
    const { value } = await guarded(body(), grpc).out[Symbol.asyncIterator]().next();
    expect(Buffer.from(value as Uint8Array)).toEqual(envelope(Buffer.from("a")));
  });

  test("of a message that is too large pass at once, with all that follows", async () => {
    const tooLarge = Buffer.concat([envelope(large.subarray(0, 9), 0, maxMessageBytes + 1), large, envelope(large)]);
    const { bytes, seen } = await passed(tooLarge, grpc);
    expect(bytes.equals(tooLarge)).toBe(true);
    expect(seen).toEqual([]);
  });

  test.each([
    ["gzip", gzipSync, { ...grpc, "grpc-encoding": "gzip" }],
    ["br", brotliCompressSync, { ...grpc, "grpc-encoding": "br" }],
    ["gzip", gzipSync, { "content-type": "application/connect+proto", "connect-content-encoding": "gzip" }],
  ])("that are compressed are decompressed, and passed on so: %s", async (_name, compress, headers) => {
    const plain = Buffer.from("plain");
    const body = [envelope(plain), envelope(compress(large), 1), envelope(plain)];
    const { bytes, seen } = await passed(Buffer.concat(body), headers, 3);
    expect(bytes.equals(Buffer.concat([envelope(plain), envelope(large), envelope(plain)]))).toBe(true);
    expect(seen).toEqual([large]);
  });

  test("that do not decompress, or to too much, pass as they are", async () => {
    const body = Buffer.concat([envelope(gzipSync(Buffer.alloc(maxMessageBytes + 1)), 1), envelope(large, 1)]);
    const { bytes, seen } = await passed(body, { ...grpc, "grpc-encoding": "gzip" });
    expect(bytes.equals(body)).toBe(true);
    expect(seen).toEqual([]);
  });
});

describe("bodies of one message", () => {
  const json = { "content-type": "application/json" };
  test.each([
    ["large", large, json, [large]],
    ["small", Buffer.from("{}"), json, []],
    ["too large", Buffer.alloc(maxMessageBytes + 1), json, []],
    ["compressed", gzipSync(large), { ...json, "content-encoding": "gzip" }, [large]],
    ["not compressed as they say", large, { ...json, "content-encoding": "gzip" }, []],
    ["in Protobuf", large, { "content-type": "application/proto" }, [large]],
    ["of a type that nobody takes", large, { "content-type": "text/plain" }, []],
  ])("%s", async (_name, body, headers, expected) => {
    const { bytes, seen } = await passed(body, headers);
    expect(bytes.equals(body)).toBe(true);
    expect(seen).toEqual(expected);
  });
});
