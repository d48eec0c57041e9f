import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteCollector } from "../../src/server/fast-path/byte-collector.ts";
import { encodeFrame, FrameReader } from "../../src/server/fast-path/grpc-frame.ts";

const pieces = fc.array(
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 30 },
);

test("a body is what its pieces are, in however many they come, and the pieces stay as they are", () => {
  fc.assert(
    fc.property(pieces, (given) => {
      const before = given.map((piece) => Buffer.from(piece));
      const collector = new ByteCollector();
      for (const piece of given) collector.push(piece);
      expect(collector.bytes().equals(Buffer.concat(before))).toBe(true);
      expect(collector.size).toBe(Buffer.concat(before).length);
      expect(given).toEqual(before);
    }),
  );
});

test("a frame that was cut anywhere is read as it was written", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(205), { maxLength: 8 }), (message, cuts) => {
      const frame = encodeFrame(message);
      const ends = [...new Set([...cuts.filter((cut) => cut < frame.length), frame.length])].toSorted((a, b) => a - b);
      const reader = new FrameReader(200, "unary");
      let begin = 0;
      for (const end of ends) {
        reader.push(frame.subarray(begin, end));
        begin = end;
      }
      const { bytes, isCompressed } = reader.end();
      expect(Buffer.from(bytes).equals(Buffer.from(message))).toBe(true);
      expect(isCompressed).toBe(false);
    }),
  );
});

test("a frame that announces more than is allowed is refused before any of it has come", () => {
  const reader = new FrameReader(10, "unary");
  const frame = encodeFrame(new Uint8Array(11));
  reader.push(frame.subarray(0, 4));
  expect(() => reader.push(frame.subarray(4, 5))).toThrow(/message size 11 is larger than .* 10/);
});
