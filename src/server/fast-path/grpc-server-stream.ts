import type { ServerHttp2Stream } from "node:http2";
import { create } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import { closeReason } from "./close-reason.ts";
import type { Exchange } from "./exchange.ts";
import type { AnyMessage, FastStreamMethod } from "./fast-methods.ts";
import type { FastPathParts } from "./fast-path-parts.ts";
import { GrpcAnswer } from "./grpc-answer.ts";
import type { GrpcRequest } from "./grpc-request.ts";
import { receiveMessage } from "./grpc-upload.ts";

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
  const encode = parts.sharedFrames.encoderOf(method.binary, request.compression);
  for await (const message of response.message) {
    const encoded = encode(create(method.method.output, message));
    const frame = Buffer.isBuffer(encoded) ? encoded : await encoded;
    if (!answer.write(frame) && !answer.hasEnded) await drained(stream);
    if (answer.hasEnded) break;
  }
  exchange.adopt(response);
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
