import { Code, ConnectError, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import { validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import type { Http2Answer } from "./http2-call.ts";
import { webHeaders } from "./web-headers.ts";

/** UnaryAnswer is the answer to a unary call. Its header and trailer are made when they are read, which few callers do. */
export class UnaryAnswer implements UnaryResponse {
  readonly stream = false;
  readonly service: UnaryRequest["service"];
  readonly method: UnaryRequest["method"];
  readonly message: UnaryResponse["message"];
  readonly #answer: Http2Answer;

  /** @throws ConnectError when the call failed, or its answer is none. */
  constructor({ service, method }: UnaryRequest, answer: Http2Answer, decode: (bytes: Uint8Array) => object) {
    this.service = service;
    this.method = method;
    this.#answer = answer;
    if (!isPlainSuccess(answer)) this.#throwFailure();
    // `decode` is the method's.
    this.message = decode(onlyMessage(answer.body)) as UnaryResponse["message"];
  }

  get header(): Headers {
    return webHeaders(this.#answer.headers);
  }

  get trailer(): Headers {
    return webHeaders(this.#answer.trailers);
  }

  /** Throws unless it is a success in a rarer form. */
  #throwFailure(): void {
    const { header, trailer } = this;
    const { headerError } = validateResponseWithCompression([], Number(this.#answer.headers[":status"]), header);
    if (headerError) throw headerError;
    validateTrailer(trailer, header);
  }
}

const contentTypes: ReadonlySet<string | undefined> = new Set(["application/grpc+proto", "application/grpc"]);

function isPlainSuccess({ headers, trailers }: Http2Answer): boolean {
  return (
    headers[":status"] === 200 &&
    contentTypes.has(headers["content-type"]) &&
    headers["grpc-encoding"] === undefined &&
    headers["grpc-status"] === undefined &&
    trailers["grpc-status"] === "0"
  );
}

const prefixBytes = 5;

/** The one message of a body: a byte of flags, four of length, and so many more. */
function onlyMessage(chunks: readonly Buffer[]): Uint8Array {
  const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  if (body.length === 0) {
    throw new ConnectError("protocol error: missing output message for unary method", Code.Unimplemented);
  }
  if (body.length < prefixBytes || body.length < prefixBytes + body.readUInt32BE(1)) {
    throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
  }
  if (body[0] !== 0) throw new ConnectError("protocol error: received unsupported compressed output", Code.Internal);
  if (body.length > prefixBytes + body.readUInt32BE(1)) {
    throw new ConnectError("protocol error: received extra output message for unary method", Code.Unimplemented);
  }
  return body.subarray(prefixBytes);
}
