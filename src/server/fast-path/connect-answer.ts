import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, contentTypeUnaryJson, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { Logger } from "pino";
import type { Exchange } from "./exchange.ts";
import type { RpcOptions } from "./fast-methods.ts";
import { addToNodeHeaders } from "./header-conversion.ts";

/** What a {@link ConnectAnswer} is written with. */
export interface ConnectAnswerInit {
  readonly response: ServerResponse;
  readonly exchange: Exchange;
  readonly compression: Compression | undefined;
  readonly compressMinBytes: number;
  readonly jsonOptions: RpcOptions["jsonOptions"];
  readonly logger: Logger;
}

/** ConnectAnswer writes the answer of one unary Connect call. Nothing that it is given makes it throw. */
export class ConnectAnswer {
  readonly #init: ConnectAnswerInit;
  #isComplete = false;

  constructor(init: ConnectAnswerInit) {
    this.#init = init;
  }

  /** Whether it has been written. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Answers a call that has succeeded. */
  succeed(bytes: Uint8Array): void {
    this.#compressed(200, bytes);
  }

  /** Answers a call that has failed. */
  fail(error: unknown): void {
    const { exchange, jsonOptions } = this.#init;
    const known =
      error instanceof ConnectError
        ? error
        : new ConnectError("internal error", Code.Internal, undefined, undefined, error);
    let body: Uint8Array;
    try {
      exchange.responseHeader.set("content-type", contentTypeUnaryJson);
      mergeNonProtocolHeaders(exchange.responseHeader, known.metadata);
      body = errorToJsonBytes(known, jsonOptions);
    } catch (defect) {
      this.#abandon(defect);
      return;
    }
    this.#compressed(codeToHttpStatus(known.code), body);
  }

  #compressed(status: number, body: Uint8Array): void {
    const { compression, compressMinBytes, exchange } = this.#init;
    if (compression === undefined || body.length < compressMinBytes) {
      this.#send(status, body);
      return;
    }
    compression.compress(body as Uint8Array<ArrayBuffer>).then(
      (small) => {
        exchange.responseHeader.set("content-encoding", compression.name);
        this.#send(status, small);
      },
      (error: unknown) => this.#abandon(error),
    );
  }

  #send(status: number, body: Uint8Array): void {
    const { response, exchange } = this.#init;
    if (this.#isComplete || response.destroyed) return;
    const { touchedHeader, touchedTrailer } = exchange;
    const headers: OutgoingHttpHeaders =
      touchedHeader === undefined ? exchange.initialHeaders() : addToNodeHeaders({}, touchedHeader);
    if (touchedTrailer !== undefined) addToNodeHeaders(headers, touchedTrailer, "trailer-");
    headers["content-length"] = body.length;
    try {
      response.writeHead(status, headers);
    } catch (error) {
      this.#abandon(error);
      return;
    }
    this.#isComplete = true;
    response.end(body);
  }

  /** Ends a call whose answer cannot be encoded or sent. */
  #abandon(error: unknown): void {
    const { response, exchange, logger } = this.#init;
    if (this.#isComplete || response.destroyed) return;
    this.#isComplete = true;
    const { call, method } = exchange;
    const path = `/${method.parent.typeName}/${method.name}`;
    logger.error({ err: error, requestId: call.requestId, path }, "a request could not be answered");
    const body = JSON.stringify({ code: "internal", message: `internal error (request id ${call.requestId})` });
    const headers = { ...exchange.initialHeaders(), "content-type": contentTypeUnaryJson };
    response.writeHead(500, { ...headers, "content-length": Buffer.byteLength(body) });
    response.end(body);
  }
}
