import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { nodeError } from "./node-error.ts";

/** Http2Request is a request that is sent in one piece. */
export interface Http2Request {
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
  /** Ends the call, which then rejects with its reason. */
  readonly signal: AbortSignal;
}

/** Http2Answer is an answer that has come to its end. */
export interface Http2Answer {
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly trailers: IncomingHttpHeaders;
  readonly body: readonly Buffer[];
}

/** http2Call makes a request and reads the whole answer. Rejects with a ConnectError, or with the signal's reason. */
export function http2Call(sessions: Http2SessionManager, request: Http2Request): Promise<Http2Answer> {
  const { signal } = request;
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream | undefined;
    const onAbort = () => {
      reject(signal.reason);
      stream?.close(constants.NGHTTP2_CANCEL);
    };
    const settled = () => signal.removeEventListener("abort", onAbort);
    const fail = (error: unknown) => {
      settled();
      reject(error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    sessions.request("POST", request.path, request.headers, {}).then(
      (opened) => {
        stream = opened;
        readAnswer(opened, {
          onBytes: () => sessions.notifyResponseByteRead(opened),
          onAnswer: (answer) => {
            settled();
            resolve(answer);
          },
          onError: fail,
        });
        // Whoever turned away while the connection was made.
        if (signal.aborted) opened.close(constants.NGHTTP2_CANCEL);
        else opened.end(request.body);
      },
      (error: unknown) => fail(nodeError(error)),
    );
  });
}

interface AnswerListener {
  readonly onBytes: () => void;
  /** One of these two is called at least once; only the first call counts. */
  readonly onAnswer: (answer: Http2Answer) => void;
  readonly onError: (error: ConnectError) => void;
}

function readAnswer(stream: ClientHttp2Stream, { onBytes, onAnswer, onError }: AnswerListener): void {
  const body: Buffer[] = [];
  let headers: Http2Answer["headers"] | undefined;
  let trailers: IncomingHttpHeaders = {};
  stream.on("response", (received) => {
    headers = received;
  });
  stream.on("data", (chunk: Buffer) => {
    body.push(chunk);
    onBytes();
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.on("end", () => {
    // A server may answer, and end the stream with a code, before it has read the whole request: the answer counts.
    if (headers && ("grpc-status" in trailers || "grpc-status" in headers)) onAnswer({ headers, trailers, body });
  });
  stream.on("error", (error) => {
    // It is about the request only; the answer is on its way.
    if (stream.writableEnded && "code" in error && error.code === "ERR_STREAM_WRITE_AFTER_END") return;
    onError(nodeError(error));
  });
  stream.on("close", () => {
    if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) onError(closedError(stream.rstCode));
    else if (headers) onAnswer({ headers, trailers, body });
    else
      onError(new ConnectError("protocol error: missing status: the stream closed without an answer", Code.Internal));
  });
}

/** Of the codes with which a server may close a stream, Node.js has no error of its own for CANCEL. */
function closedError(rstCode: number): ConnectError {
  return rstCode === constants.NGHTTP2_CANCEL
    ? new ConnectError("http/2 stream closed with error code CANCEL (0x8)", Code.Canceled)
    : new ConnectError(`http/2 stream closed with error code 0x${rstCode.toString(16)}`, Code.Internal);
}
