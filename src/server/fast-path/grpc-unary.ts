import type { ServerHttp2Stream } from "node:http2";
import type { UnaryResponse } from "@connectrpc/connect";
import { closeReason } from "./close-reason.ts";
import { type Exchange, FastUnaryRequest } from "./exchange.ts";
import type { AnyMessage, FastUnaryMethod } from "./fast-methods.ts";
import type { FastPathParts } from "./fast-path-parts.ts";
import { GrpcAnswer } from "./grpc-answer.ts";
import { encodeCompressedFrame } from "./grpc-frame.ts";
import type { GrpcRequest } from "./grpc-request.ts";
import { receiveMessage } from "./grpc-upload.ts";

/** A unary gRPC call to serve. */
export interface GrpcUnaryInit {
  readonly stream: ServerHttp2Stream;
  readonly request: GrpcRequest;
  readonly exchange: Exchange;
  readonly method: FastUnaryMethod;
  readonly parts: FastPathParts;
}

/**
 * Serves a unary gRPC call: its message is received and decoded, passes the interceptors, and what comes back is the
 * answer. A call that ends before (garbage, deadline, caller gone) is ended as the request gate would.
 */
export function serveGrpcUnary(init: GrpcUnaryInit): void {
  const { stream, request, exchange, parts } = init;
  const call = new GrpcUnaryCall(init);
  stream.on("close", () => call.close());
  if (request.timeoutMs !== undefined) {
    exchange.cancellation.setDeadline(request.timeoutMs, (error) => call.refuse(error));
  }
  receiveMessage(
    stream,
    {
      maxMessageBytes: parts.maxMessageBytes,
      timeoutMs: parts.requestTimeoutMs,
      decompression: request.decompression,
      kind: "unary",
    },
    { onMessage: (bytes) => call.invoke(bytes), onError: (error) => call.refuse(error) },
  );
}

class GrpcUnaryCall {
  readonly #init: GrpcUnaryInit;
  readonly #answer: GrpcAnswer;
  #isReceiving = true;

  constructor(init: GrpcUnaryInit) {
    this.#init = init;
    this.#answer = new GrpcAnswer(init.stream, init.exchange, init.parts.logger);
  }

  /** Ends a call whose request has not been decoded. */
  refuse(reason: unknown): void {
    if (!this.#isReceiving) return;
    this.#isReceiving = false;
    const { exchange, parts } = this.#init;
    parts.endUndecoded(exchange, { reason });
    this.#fail(reason);
  }

  /** Passes a request on to the service. */
  invoke(bytes: Uint8Array): void {
    if (!this.#isReceiving) return;
    const { method, exchange } = this.#init;
    let message: AnyMessage;
    try {
      message = method.binary.decode(bytes);
    } catch (error) {
      this.refuse(error);
      return;
    }
    this.#isReceiving = false;
    method.invoke(new FastUnaryRequest(exchange, method.method, message)).then(
      (response) => this.#succeed(response as UnaryResponse),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Ends what is under way when the stream has closed. */
  close(): void {
    if (this.#answer.isComplete) return;
    const reason = closeReason(this.#init.stream.rstCode);
    this.refuse(reason);
    this.#init.exchange.cancellation.abort(reason);
  }

  #succeed(response: UnaryResponse): void {
    const { method, exchange, request, parts } = this.#init;
    try {
      exchange.adopt(response);
      const bytes = method.binary.encode(response.message);
      const frame = encodeCompressedFrame(bytes, {
        compression: request.compression,
        minBytes: parts.compressMinBytes,
      });
      if (Buffer.isBuffer(frame)) this.#end(frame);
      else
        frame.then(
          (compressed) => this.#end(compressed),
          (error: unknown) => this.#fail(error),
        );
    } catch (error) {
      this.#fail(error);
    }
  }

  #end(frame: Buffer): void {
    this.#answer.end(frame);
    this.#init.exchange.cancellation.finish();
  }

  #fail(error: unknown): void {
    this.#init.exchange.cancellation.abort(error);
    this.#answer.fail(error);
  }
}
