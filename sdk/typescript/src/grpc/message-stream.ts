import { once } from "node:events";
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamRequest, type StreamResponse } from "@connectrpc/connect";
import { validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import type { AnswerReader } from "./answer-reader.ts";
import { envelope } from "./envelope.ts";
import { nodeError } from "./node-error.ts";
import { webHeaders } from "./web-headers.ts";

const prefixBytes = 5;

/**
 * messageStream makes a call whose messages go both ways, uncompressed, and reads what comes with `read` instead of the library: for callers that do not look at all
 * of it. Nothing is read that is not asked for, so a caller that does not go on holds back the server.
 */
export async function messageStream(
  sessions: Http2SessionManager,
  request: StreamRequest,
  { prefix, read }: { readonly prefix: string; readonly read: AnswerReader },
): Promise<StreamResponse> {
  const { service, method, signal } = request;
  signal.throwIfAborted();
  const path = `${prefix}/${method.parent.typeName}/${method.name}`;
  let stream: ClientHttp2Stream;
  try {
    stream = await sessions.request("POST", path, Object.fromEntries(request.header), {});
  } catch (error) {
    throw nodeError(error);
  }
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const onAbort = (): void => {
    failure.reject(signal.reason);
    stream.close(constants.NGHTTP2_CANCEL);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const trailer = new Headers();
  stream.on("error", (error) => failure.reject(nodeError(error)));
  stream.on("trailers", (received: IncomingHttpHeaders) => {
    for (const [name, value] of webHeaders(received)) trailer.set(name, value);
  });
  stream.on("close", () => {
    signal.removeEventListener("abort", onAbort);
    failure.reject(new ConnectError(`the stream was closed with error code ${stream.rstCode}`, Code.Unavailable));
  });
  const response = once(stream, "response") as Promise<[IncomingHttpHeaders]>;
  response.catch(() => {});
  void send(stream, request).catch((error: unknown) => {
    failure.reject(error);
    stream.close(constants.NGHTTP2_CANCEL);
  });
  const [headers] = await Promise.race([response, failure.promise]);
  const header = webHeaders(headers);
  const { headerError } = validateResponseWithCompression([], Number(headers[":status"]), header);
  if (headerError) throw headerError;
  const message = (async function* () {
    try {
      yield* frames(
        stream,
        (bytes) => read(bytes) as MessageShape<DescMessage>,
        () => sessions.notifyResponseByteRead(stream),
      );
    } catch (error) {
      if (!trailer.has("grpc-status")) throw signal.aborted ? signal.reason : nodeError(error);
    } finally {
      // Whoever turns away before the end.
      if (!stream.closed && !stream.readableEnded) stream.close(constants.NGHTTP2_CANCEL);
    }
    if (signal.aborted) throw signal.reason;
    if (!trailer.has("grpc-status") && !header.has("grpc-status")) {
      throw new ConnectError("the stream ended without a status", Code.Unavailable);
    }
    validateTrailer(trailer, header);
  })();
  return { stream: true, service, method, header, trailer, message };
}

async function send(stream: ClientHttp2Stream, { method, message }: StreamRequest): Promise<void> {
  for await (const each of message) {
    if (stream.closed || stream.destroyed || stream.writableEnded) return;
    if (!stream.write(envelope(toBinary(method.input, each)))) {
      await Promise.race([once(stream, "drain"), once(stream, "close")]);
    }
  }
  stream.end();
}

/** The messages of what comes: each has a byte of flags and four of its length before it. */
async function* frames<Message>(
  stream: ClientHttp2Stream,
  read: (bytes: Uint8Array) => Message,
  onBytes: () => void,
): AsyncGenerator<Message> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    onBytes();
    rest.push(chunk);
    size += chunk.length;
    if (size < wanted(rest)) continue;
    let bytes = rest.length === 1 ? chunk : Buffer.concat(rest);
    while (bytes.length >= wanted([bytes])) {
      const end = wanted([bytes]);
      if (bytes[0] !== 0) throw new ConnectError("received a compressed message that was not asked for", Code.Internal);
      yield read(bytes.subarray(prefixBytes, end));
      bytes = bytes.subarray(end);
    }
    rest = bytes.length === 0 ? [] : [bytes];
    size = bytes.length;
  }
}

/** How many bytes there have to be for a whole message. */
function wanted(chunks: readonly Buffer[]): number {
  const [first] = chunks;
  if (first !== undefined && first.length >= prefixBytes) return prefixBytes + first.readUInt32BE(1);
  const head = Buffer.concat(chunks.slice(0, prefixBytes));
  return head.length < prefixBytes ? prefixBytes : prefixBytes + head.readUInt32BE(1);
}
