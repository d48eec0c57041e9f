import type { Compression } from "@connectrpc/connect/protocol";
import type { AnyMessage, MessageCodec } from "./fast-methods.ts";
import { encodeCompressedFrame } from "./grpc-frame.ts";

interface SharedFrame {
  readonly frame: Buffer | Promise<Buffer>;
  /** The call that it was first encoded for. */
  readonly callNumber: number;
}

/**
 * SharedFrames encodes the messages of streams, and encodes a message once for all the streams that yield the very same
 * object. So a message that one stream has yielded must not be changed while others may yield it. A stream that yields
 * an object again may have changed it in between: it is encoded anew.
 */
export class SharedFrames {
  readonly #plain = new WeakMap<AnyMessage, SharedFrame>();
  readonly #compressed = new Map<Compression, WeakMap<AnyMessage, SharedFrame>>();
  /** By what was written together. */
  readonly #joined = new WeakMap<readonly AnyMessage[], Buffer>();
  readonly #compressMinBytes: number;
  #calls = 0;

  constructor(compressMinBytes: number) {
    this.#compressMinBytes = compressMinBytes;
  }

  /** Returns what encodes the messages of one call. */
  encoderOf(
    codec: MessageCodec,
    compression: Compression | undefined,
  ): (message: AnyMessage) => Buffer | Promise<Buffer> {
    const frames = this.#framesOf(compression);
    const callNumber = ++this.#calls;
    return (message) => {
      const known = frames.get(message);
      if (known !== undefined && known.callNumber !== callNumber) return known.frame;
      const frame = encodeCompressedFrame(codec.encode(message), { compression, minBytes: this.#compressMinBytes });
      frames.set(message, { frame, callNumber });
      return frame;
    };
  }

  /**
   * Returns what encodes messages that one call sends together. Those that are the very same array are put together once for all calls without compression.
   */
  joinerOf(
    codec: MessageCodec,
    compression: Compression | undefined,
    complete: (message: AnyMessage) => AnyMessage,
  ): (messages: readonly AnyMessage[]) => Buffer | Promise<Buffer> {
    const encode = this.encoderOf(codec, compression);
    const encodeAll = (messages: readonly AnyMessage[]) => messages.map((message) => encode(complete(message)));
    return (messages) => {
      if (messages.length === 1) return encode(complete(messages[0] as AnyMessage));
      if (compression !== undefined) return Promise.all(encodeAll(messages)).then((frames) => Buffer.concat(frames));
      let joined = this.#joined.get(messages);
      if (joined === undefined) {
        joined = Buffer.concat(encodeAll(messages) as Buffer[]);
        this.#joined.set(messages, joined);
      }
      return joined;
    };
  }

  #framesOf(compression: Compression | undefined): WeakMap<AnyMessage, SharedFrame> {
    if (compression === undefined) return this.#plain;
    let frames = this.#compressed.get(compression);
    if (frames === undefined) {
      frames = new WeakMap();
      this.#compressed.set(compression, frames);
    }
    return frames;
  }
}
