import type { OutgoingHttpHeaders } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { Logger } from "pino";
import { plainMessage } from "../grpc-message.ts";
import type { Exchange } from "./exchange.ts";
import { addToNodeHeaders } from "./header-conversion.ts";

/** What the trailers of a gRPC answer begin as. */
export const initialTrailers: Readonly<Record<string, string>> = { "grpc-status": "0" };

/**
 * GrpcAnswer writes the answer of one gRPC call: headers, messages, trailers. Nothing that it is given makes it throw, and
 * an answer whose caller is gone is dropped.
 */
export class GrpcAnswer {
  readonly #stream: ServerHttp2Stream;
  readonly #exchange: Exchange;
  readonly #logger: Logger;
  #hasBegun = false;
  #hasEnded = false;
  #trailers: OutgoingHttpHeaders = initialTrailers;

  constructor(stream: ServerHttp2Stream, exchange: Exchange, logger: Logger) {
    this.#stream = stream;
    this.#exchange = exchange;
    this.#logger = logger;
  }

  /** Whether the last of it has been written. */
  get isComplete(): boolean {
    return this.#hasEnded;
  }

  /** Whether the last of it has been written, or its caller is gone. */
  get hasEnded(): boolean {
    return this.#hasEnded || this.#isGone();
  }

  /** Sends the headers, if they have not been sent, and a message. Returns whether the caller keeps up. */
  write(frame: Buffer): boolean {
    return this.#begin() && this.#stream.write(frame);
  }

  /** Ends the answer of a call that has succeeded, after a last message if one is given. */
  end(frame?: Buffer): void {
    if (this.hasEnded) return;
    const trailer = this.#exchange.touchedTrailer;
    this.#finish(trailer === undefined ? initialTrailers : addToNodeHeaders({}, trailer), frame);
  }

  /** Ends the answer of a call that has failed. */
  fail(error: unknown): void {
    if (this.hasEnded) return;
    this.#finish(this.#errorTrailers(error));
  }

  #finish(trailers: OutgoingHttpHeaders, frame?: Buffer): void {
    this.#trailers = trailers;
    if (!this.#begin()) return;
    this.#hasEnded = true;
    if (frame === undefined) this.#stream.end();
    else this.#stream.end(frame);
  }

  #begin(): boolean {
    if (this.hasEnded) return false;
    if (this.#hasBegun) return true;
    const { touchedHeader } = this.#exchange;
    const head: OutgoingHttpHeaders =
      touchedHeader === undefined ? this.#exchange.initialHeaders() : addToNodeHeaders({}, touchedHeader);
    // As node:http2 does with requests and responses: HTTP/2 has no such header.
    if (touchedHeader !== undefined) delete head.connection;
    try {
      this.#respond(head);
      return true;
    } catch (error) {
      this.#abandon(error);
      return false;
    }
  }

  #respond(head: OutgoingHttpHeaders): void {
    this.#stream.respond({ ":status": 200, ...head }, { waitForTrailers: true });
    this.#hasBegun = true;
    this.#stream.on("wantTrailers", () => {
      try {
        this.#stream.sendTrailers(this.#trailers);
      } catch (error) {
        this.#abandon(error);
      }
    });
  }

  #errorTrailers(error: unknown): OutgoingHttpHeaders {
    try {
      const known =
        error instanceof ConnectError
          ? error
          : new ConnectError("internal error", Code.Internal, undefined, undefined, error);
      // The library cannot encode half a surrogate pair.
      if (!known.rawMessage.isWellFormed()) Object.assign(known, { rawMessage: known.rawMessage.toWellFormed() });
      const trailer = setTrailerStatus(this.#exchange.responseTrailer, known);
      trailer.set("grpc-message", plainMessage(trailer.get("grpc-message") ?? ""));
      return addToNodeHeaders({}, trailer);
    } catch (defect) {
      this.#logger.error(this.#describe(defect), "an error could not be encoded");
      return this.#internalError();
    }
  }

  /** Ends a call whose answer cannot be sent, because its headers or trailers are not what HTTP/2 allows. */
  #abandon(error: unknown): void {
    this.#hasEnded = true;
    if (this.#isGone()) return;
    this.#logger.error(this.#describe(error), "a request could not be answered");
    if (this.#hasBegun) {
      this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    const head = { ":status": 200, ...this.#exchange.initialHeaders(), ...this.#internalError() };
    this.#stream.respond(head, { endStream: true });
  }

  #internalError(): Record<string, string> {
    const { requestId } = this.#exchange.call;
    return { "grpc-status": String(Code.Internal), "grpc-message": `internal error (request id ${requestId})` };
  }

  #describe(error: unknown): object {
    const { call, method } = this.#exchange;
    return { err: error, requestId: call.requestId, path: `/${method.parent.typeName}/${method.name}` };
  }

  #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }
}
