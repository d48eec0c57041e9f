import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createMethodUrl } from "@connectrpc/connect/protocol";
import { requestHeader } from "@connectrpc/connect/protocol-grpc";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { answerReader } from "./answer-reader.ts";
import { CallScope } from "./call-scope.ts";
import { envelope } from "./envelope.ts";
import { http2Call } from "./http2-call.ts";
import { messageStream } from "./message-stream.ts";
import { UnaryAnswer } from "./unary-answer.ts";

/** UnaryTransportOptions says where calls go. */
export interface UnaryTransportOptions {
  readonly baseUrl: string;
  readonly sessions: Http2SessionManager;
  /** The first is the outermost. */
  readonly interceptors: readonly Interceptor[];
}

type AnyCall = ReturnType<Interceptor>;

/**
 * withUnaryCalls makes the unary calls of a gRPC transport itself: uncompressed, each message in one piece, without the
 * chain of async iterables through which connect passes every message. That chain is most of what a call costs a client,
 * and a worker of few slots makes a call or two for each task. Streams go through `streams`, but for those both ways that have an {@link answerReader}.
 */
export function withUnaryCalls(streams: Transport, options: UnaryTransportOptions): Transport {
  const { baseUrl, sessions, interceptors } = options;
  const prefix = new URL(baseUrl).pathname.replace(/\/$/, "");
  const call = interceptors.reduceRight<AnyCall>(
    (next, interceptor) => interceptor(next),
    (request) =>
      request.stream
        ? messageStream(sessions, request, { prefix, read: request.contextValues.get(answerReader) ?? notRead })
        : callOnce(sessions, request, prefix),
  );
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      // As in connect: a deadline that is not positive is none.
      const deadlineMs = timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined;
      const [message, headers] = [create(method.input, input), requestHeader(true, deadlineMs, header)];
      const scope = new CallScope(signal, deadlineMs);
      const request: UnaryRequest = {
        ...{ stream: false, service: method.parent, method, requestMethod: "POST", message },
        ...{ url: createMethodUrl(baseUrl, method), header: headers, signal: scope.signal },
        contextValues: contextValues ?? createContextValues(),
      };
      try {
        // No interceptor answers with another type than the method's.
        return (await call(request)) as UnaryResponse<typeof method.input, typeof method.output>;
      } catch (error) {
        throw scope.errorOf(error);
      } finally {
        scope.end();
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      if (method.methodKind !== "bidi_streaming" || contextValues?.get(answerReader) === undefined) {
        return streams.stream(method, signal, timeoutMs, header, input, contextValues);
      }
      const request: StreamRequest = {
        ...{ stream: true, service: method.parent, method, requestMethod: "POST", contextValues },
        ...{ url: createMethodUrl(baseUrl, method), header: requestHeader(true, undefined, header) },
        signal: signal ?? new AbortController().signal,
        message: messages(method.input, input),
      };
      // No interceptor answers with another type than the method's.
      return (await call(request)) as StreamResponse<typeof method.input, typeof method.output>;
    },
  };
}

async function* messages<Input extends DescMessage>(
  input: Input,
  inits: AsyncIterable<MessageInitShape<Input>>,
): AsyncGenerator<MessageShape<Input>> {
  for await (const init of inits) yield create(input, init);
}

function notRead(): never {
  throw new ConnectError("a stream without a reader", Code.Internal);
}

async function callOnce(sessions: Http2SessionManager, request: UnaryRequest, prefix: string): Promise<UnaryResponse> {
  const { method, signal, contextValues } = request;
  signal.throwIfAborted();
  const path = `${prefix}/${method.parent.typeName}/${method.name}`;
  const answer = await http2Call(sessions, {
    ...{ path, headers: Object.fromEntries(request.header), signal },
    body: bodyOf(request),
  });
  const read = contextValues.get(answerReader);
  return new UnaryAnswer(request, answer, (bytes) => {
    try {
      return read?.(bytes) ?? fromBinary(method.output, bytes);
    } catch (cause) {
      throw new ConnectError(`parse binary: ${textOf(cause)}`, Code.Internal, undefined, undefined, cause);
    }
  });
}

/** The message of a request on the wire: no flags, its length, itself. */
function bodyOf({ method, message }: UnaryRequest): Uint8Array {
  try {
    return envelope(toBinary(method.input, message));
  } catch (cause) {
    throw new ConnectError(`serialize binary: ${textOf(cause)}`, Code.Internal, undefined, undefined, cause);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
