import type { IncomingMessage, ServerResponse } from "node:http";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { diagnosableBodyBytesMax } from "../describe-decoding-error.ts";
import { ByteCollector } from "./byte-collector.ts";
import { ConnectAnswer } from "./connect-answer.ts";
import type { ConnectRequest } from "./connect-request.ts";
import { type Exchange, FastUnaryRequest } from "./exchange.ts";
import type { AnyMessage, FastUnaryMethod, MessageCodec, RpcOptions } from "./fast-methods.ts";
import type { FastPathParts } from "./fast-path-parts.ts";

/** A unary Connect call over HTTP/1.1 to serve. */
export interface ConnectUnaryInit {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly request: ConnectRequest;
  readonly exchange: Exchange;
  readonly method: FastUnaryMethod;
  readonly jsonOptions: RpcOptions["jsonOptions"];
  readonly parts: FastPathParts;
}

/**
 * Serves a unary Connect call over HTTP/1.1: its body is received and decoded, passes the interceptors, and what comes back
 * is the answer. A call that ends before is ended as the request gate would. node:http bounds the time of the upload.
 */
export function serveConnectUnary(init: ConnectUnaryInit): void {
  const { incoming, response, request, exchange } = init;
  const call = new ConnectUnaryCall(init);
  incoming.on("data", (piece: Buffer) => call.receive(piece));
  incoming.on("end", () => call.invoke());
  response.on("close", () => call.close());
  if (request.timeoutMs !== undefined) {
    exchange.cancellation.setDeadline(request.timeoutMs, (error) => call.refuse(error));
  }
}

class ConnectUnaryCall {
  readonly #init: ConnectUnaryInit;
  readonly #answer: ConnectAnswer;
  readonly #body = new ByteCollector();
  #isReceiving = true;

  constructor(init: ConnectUnaryInit) {
    this.#init = init;
    const { response, exchange, jsonOptions, parts, request } = init;
    const { compression } = request;
    this.#answer = new ConnectAnswer({
      ...{ response, exchange, compression, jsonOptions },
      ...{ logger: parts.logger, compressMinBytes: parts.compressMinBytes },
    });
  }

  /** Takes a piece of the body. What comes after an answer is dropped, so that its caller gets to see it. */
  receive(piece: Buffer): void {
    if (!this.#isReceiving) return;
    const { maxMessageBytes } = this.#init.parts;
    if (this.#body.size + piece.length > maxMessageBytes) {
      const message = `message size is larger than configured readMaxBytes ${maxMessageBytes}`;
      this.refuse(new ConnectError(message, Code.ResourceExhausted));
      return;
    }
    this.#body.push(piece);
  }

  /** Ends a call whose request has not been decoded. */
  refuse(reason: unknown): void {
    if (!this.#isReceiving) return;
    this.#isReceiving = false;
    const { exchange, parts, request } = this.#init;
    const isDiagnosable = !request.isBinary && this.#body.size <= diagnosableBodyBytesMax;
    parts.endUndecoded(exchange, { reason, body: isDiagnosable ? this.#body.bytes() : undefined });
    this.#fail(reason);
  }

  /** Passes a request on to the service, once its body has come. */
  invoke(): void {
    if (!this.#isReceiving) return;
    const { method, exchange } = this.#init;
    let message: AnyMessage;
    try {
      const { buffer, byteOffset, length } = this.#body.bytes();
      // Decoded messages get parts of these bytes: no Buffers, which behave differently.
      message = this.#codec().decode(new Uint8Array(buffer, byteOffset, length));
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

  /** Ends what is under way when the caller is gone. */
  close(): void {
    if (this.#answer.isComplete) return;
    const { incoming, exchange } = this.#init;
    // As the RPC library tells a connection that was reset in the middle of a request from one that was closed.
    const code = incoming.errored === null ? Code.Canceled : Code.Aborted;
    const reason = new ConnectError("the connection was closed", code);
    this.refuse(reason);
    exchange.cancellation.abort(reason);
  }

  #codec(): MessageCodec {
    const { method, request } = this.#init;
    return request.isBinary ? method.binary : method.json;
  }

  #succeed(response: UnaryResponse): void {
    const { exchange } = this.#init;
    let bytes: Uint8Array;
    try {
      exchange.adopt(response);
      bytes = this.#codec().encode(response.message);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#answer.succeed(bytes);
    exchange.cancellation.finish();
  }

  #fail(error: unknown): void {
    this.#init.exchange.cancellation.abort(error);
    this.#answer.fail(error);
  }
}
