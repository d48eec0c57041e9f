import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { ByteCollector } from "./byte-collector.ts";

/** The flag and the length that stand before each message of gRPC. */
const prefixBytes = 5;
const compressedFlag = 1;

/** A message of gRPC as it came. */
export interface ReceivedFrame {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
}

/** Puts the prefix of gRPC before a message. */
export function encodeFrame(bytes: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + bytes.length);
  frame[0] = flags;
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, prefixBytes);
  return frame;
}

/** Encodes a message as a frame, compressed when there is a compression and the message is worth it. */
export function encodeCompressedFrame(
  bytes: Uint8Array,
  { compression, minBytes }: { compression: Compression | undefined; minBytes: number },
): Buffer | Promise<Buffer> {
  if (compression === undefined || bytes.length < minBytes) return encodeFrame(bytes);
  return compression.compress(bytes as Uint8Array<ArrayBuffer>).then((small) => encodeFrame(small, compressedFlag));
}

/**
 * FrameReader reads the one frame of a request from the pieces in which it arrives. It holds no more than that frame: one
 * that announces too much, and whatever follows it, is refused as soon as it is seen. Errors are ConnectErrors.
 */
export class FrameReader {
  readonly #messageBytesMax: number;
  readonly #kind: string;
  readonly #received = new ByteCollector();
  #frameBytes: number | undefined;

  /** @param kind how errors call the method: `unary` or `server-streaming` */
  constructor(messageBytesMax: number, kind: string) {
    this.#messageBytesMax = messageBytesMax;
    this.#kind = kind;
  }

  /** Adds a piece. */
  push(piece: Buffer): void {
    this.#received.push(piece);
    if (this.#frameBytes === undefined) {
      if (this.#received.size < prefixBytes) return;
      const length = this.#received.bytes().readUInt32BE(1);
      if (length > this.#messageBytesMax) {
        const message = `message size ${length} is larger than configured readMaxBytes ${this.#messageBytesMax}`;
        throw new ConnectError(message, Code.ResourceExhausted);
      }
      this.#frameBytes = prefixBytes + length;
    }
    if (this.#received.size > this.#frameBytes) {
      const message = `protocol error: received extra input message for ${this.#kind} method`;
      throw new ConnectError(message, Code.Unimplemented);
    }
  }

  /** The frame, once everything has come. */
  end(): ReceivedFrame {
    if (this.#received.size === 0) {
      const message = `protocol error: missing input message for ${this.#kind} method`;
      throw new ConnectError(message, Code.Unimplemented);
    }
    if (this.#received.size !== this.#frameBytes) {
      throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
    }
    const frame = this.#received.bytes();
    // Decoded messages get parts of these bytes: no Buffers, which behave differently.
    const bytes = new Uint8Array(frame.buffer, frame.byteOffset + prefixBytes, frame.length - prefixBytes);
    return { isCompressed: ((frame[0] ?? 0) & compressedFlag) !== 0, bytes };
  }
}
