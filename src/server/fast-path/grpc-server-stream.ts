import type { ServerHttp2Stream } from "node:http2";
import { create } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import { isPushed, pushTo, type Sink } from "../../lib/pushed-stream.ts";
import { closeReason } from "./close-reason.ts";
import type { Exchange } from "./exchange.ts";
import type { AnyMessage, FastStreamMethod } from "./fast-methods.ts";
import type { FastPathParts } from "./fast-path-parts.ts";
import { GrpcAnswer } from "./grpc-answer.ts";
import type { GrpcRequest } from "./grpc-request.ts";
import { receiveMessage } from "./grpc-upload.ts";

/** What may wait for a caller that takes its time, where a stream writes by itself; what waits is shared with those who get the same. */
const waitingBytesMax = 256 * 1024;

/** A gRPC call that is answered with a stream. */
export interface GrpcServerStreamInit {
  readonly stream: ServerHttp2Stream;
  readonly request: GrpcRequest;
  readonly exchange: Exchange;
  readonly method: FastStreamMethod;
  readonly parts: FastPathParts;
}

/**
 * Serves a gRPC call that is answered with a stream. The interceptors run at once, as the RPC library has it: to them the
 * request is a stream of one message, which fails when the request cannot be received or decoded.
 */
export function serveGrpcServerStream(init: GrpcServerStreamInit): void {
  const { stream, request, exchange, method, parts } = init;
  const { cancellation } = exchange;
  const answer = new GrpcAnswer(stream, exchange, parts.logger);
  const received = Promise.withResolvers<AnyMessage>();
  // Whether anybody waits for the request is up to the interceptors.
  received.promise.catch(() => {});
  stream.on("close", () => {
    if (answer.isComplete) return;
    const reason = closeReason(stream.rstCode);
    received.reject(reason);
    cancellation.abort(reason);
  });
  if (request.timeoutMs !== undefined) cancellation.setDeadline(request.timeoutMs, received.reject);
  receiveMessage(
    stream,
    {
      maxMessageBytes: parts.maxMessageBytes,
      timeoutMs: parts.requestTimeoutMs,
      decompression: request.decompression,
      kind: "server-streaming",
    },
    {
      onMessage: (bytes) => {
        try {
          received.resolve(method.binary.decode(bytes));
        } catch (error) {
          received.reject(error);
        }
      },
      onError: received.reject,
    },
  );
  respond(init, answer, received.promise).then(
    () => {
      answer.end();
      cancellation.finish();
    },
    (error: unknown) => {
      cancellation.abort(error);
      answer.fail(error);
    },
  );
}

async function respond(init: GrpcServerStreamInit, answer: GrpcAnswer, received: Promise<AnyMessage>): Promise<void> {
  const { stream, request, exchange, method, parts } = init;
  const { service, requestMethod, url, signal, requestHeader: header, values: contextValues } = exchange;
  const response = (await method.invoke({
    ...{ stream: true, service, method: method.method, requestMethod, url, signal, header, contextValues },
    message: once(received),
  })) as StreamResponse;
  exchange.adopt(response);
  if (isPushed(response.message)) {
    await response.message[pushTo](sinkOf(init, answer));
    exchange.adopt(response);
    return;
  }
  const encode = parts.sharedFrames.encoderOf(method.binary, request.compression);
  for await (const message of response.message) {
    const encoded = encode(create(method.method.output, message));
    const frame = Buffer.isBuffer(encoded) ? encoded : await encoded;
    if (!answer.write(frame) && !answer.hasEnded) await drained(stream);
    if (answer.hasEnded) break;
  }
  exchange.adopt(response);
}

/** Writes frames as they are given; asks for a pause only where the caller is far behind. */
function sinkOf({ stream, request, method, parts }: GrpcServerStreamInit, answer: GrpcAnswer): Sink<AnyMessage> {
  const complete = (message: AnyMessage) => create(method.method.output, message);
  const encode = parts.sharedFrames.joinerOf(method.binary, request.compression, complete);
  let compressing: Promise<unknown> | undefined;
  const send = (frame: Buffer): boolean => {
    answer.write(frame);
    return !answer.hasEnded && stream.writableLength < waitingBytesMax;
  };
  return {
    write(messages) {
      const frame = encode(messages);
      if (compressing === undefined && Buffer.isBuffer(frame)) return send(frame);
      const sent = Promise.all([frame, compressing]).then(([whole]) => {
        if (compressing === sent) compressing = undefined;
        send(whole);
      });
      // Whoever waits hears of a failure.
      sent.catch(() => {});
      compressing = sent;
      return false;
    },
    async ready() {
      await compressing;
      if (!answer.hasEnded && stream.writableNeedDrain) await drained(stream);
    },
  };
}

async function* once(message: Promise<AnyMessage>): AsyncGenerator<AnyMessage> {
  yield await message;
}

/** Resolves when the caller has taken what was written, or is gone. */
function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
