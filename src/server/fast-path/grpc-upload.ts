import { constants, type ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { FrameReader, type ReceivedFrame } from "./grpc-frame.ts";

/** Takes what {@link receiveMessage} received. At most one of its methods is called, once; they must not throw. */
export interface MessageReceiver {
  onMessage(bytes: Uint8Array): void;
  onError(error: unknown): void;
}

/**
 * Receives the one message of a gRPC request, decompressed. What comes after an error is read and dropped. A stream whose
 * request is not complete by `timeoutMs` is cut. When the stream closes before, nothing is called.
 */
export function receiveMessage(
  stream: ServerHttp2Stream,
  options: { maxMessageBytes: number; timeoutMs: number; decompression: Compression | undefined; kind: string },
  receiver: MessageReceiver,
): void {
  const reader = new FrameReader(options.maxMessageBytes, options.kind);
  let hasFailed = false;
  const fail = (error: unknown): void => {
    hasFailed = true;
    receiver.onError(error);
  };
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), options.timeoutMs);
  stream.on("close", () => clearTimeout(timer));
  stream.on("data", (piece: Buffer) => {
    if (hasFailed) return;
    try {
      reader.push(piece);
    } catch (error) {
      fail(error);
    }
  });
  stream.on("end", () => {
    clearTimeout(timer);
    // A stream that its client resets ends, too.
    if (hasFailed || stream.closed || stream.destroyed) return;
    let frame: ReceivedFrame;
    try {
      frame = reader.end();
    } catch (error) {
      fail(error);
      return;
    }
    if (frame.isCompressed) void decompress(frame.bytes, options).then((bytes) => receiver.onMessage(bytes), fail);
    else receiver.onMessage(frame.bytes);
  });
}

async function decompress(
  bytes: Uint8Array,
  { decompression, maxMessageBytes }: { decompression: Compression | undefined; maxMessageBytes: number },
): Promise<Uint8Array> {
  if (decompression === undefined) {
    throw new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
  }
  return decompression.decompress(bytes as Uint8Array<ArrayBuffer>, maxMessageBytes);
}
