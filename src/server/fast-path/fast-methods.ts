import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
  type StreamRequest,
  type UnaryRequest,
} from "@connectrpc/connect";
import { createMethodSerializationLookup, type UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { RequestReader } from "../../wire/request-readers.ts";
import type { Next } from "../interceptors/observe-call.ts";
import type { MessageGuard } from "../message-guard.ts";
import { type Exchange, exchangeKey, FastUnaryResponse } from "./exchange.ts";

/** The options of the RPC library that the fast path keeps to. */
export type RpcOptions = Pick<UniversalHandlerOptions, "readMaxBytes" | "jsonOptions"> & {
  readonly interceptors: Interceptor[];
};

/** A message of any type. */
export type AnyMessage = MessageShape<DescMessage>;

type Spec<Kind extends MethodImplSpec["kind"]> = Extract<MethodImplSpec, { kind: Kind }>;

/** FastMethodOf is a method of one kind, with all that is the same for each of its calls. */
interface FastMethodOf<Kind extends "unary" | "server_streaming"> {
  readonly kind: Kind;
  readonly method: Spec<Kind>["method"];
  /** The interceptors around the service's implementation. */
  readonly invoke: Next;
  readonly binary: MessageCodec;
  readonly json: MessageCodec;
}

/** FastUnaryMethod is a unary method that the fast path serves. */
export type FastUnaryMethod = FastMethodOf<"unary">;

/** FastStreamMethod is a method that the fast path answers with a stream. */
export type FastStreamMethod = FastMethodOf<"server_streaming">;

/** FastMethod is a method that the fast path serves. */
export type FastMethod = FastUnaryMethod | FastStreamMethod;

/** Decodes the requests of a method and encodes its responses; its errors are those of the RPC library. */
export interface MessageCodec {
  decode(bytes: Uint8Array): AnyMessage;
  encode(message: AnyMessage): Uint8Array;
}

/** Where methods are recorded, and how. */
export interface RecordOptions {
  readonly methods: Map<string, FastMethod>;
  readonly options: RpcOptions;
  /** Readers of requests that are faster than the library. Both take messages only that are no larger than `readMaxBytes`. */
  readonly readers: ReadonlyMap<DescMessage, RequestReader>;
  /** Sees what is decoded, before it is. */
  readonly guard: MessageGuard;
}

/** What the RPC library takes when it is not told: messages that leave are bounded by what Protobuf can hold. */
const bytesMax = 0xffffffff;

/**
 * Wraps a router so that the services that are registered with it fill the fast path's table too. Services with options of
 * their own and methods that take a stream are left to the RPC library.
 */
export function recordMethods(router: ConnectRouter, recordOptions: RecordOptions): ConnectRouter {
  const record = (spec: MethodImplSpec): void => {
    if (spec.kind !== "unary" && spec.kind !== "server_streaming") return;
    const path = `/${spec.method.parent.typeName}/${spec.method.name}`;
    recordOptions.methods.set(path, fastMethod(spec, recordOptions));
  };
  const recording: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, own) {
      router.service(service, implementation, own);
      if (own === undefined) Object.values(createServiceImplSpec(service, implementation).methods).forEach(record);
      return recording;
    },
    rpc(method, implementation, own) {
      router.rpc(method, implementation, own);
      if (own === undefined) record(createMethodImplSpec(method, implementation));
      return recording;
    },
  };
  return recording;
}

function fastMethod(
  spec: Spec<"unary"> | Spec<"server_streaming">,
  { options, readers, guard }: RecordOptions,
): FastMethod {
  const { readMaxBytes, jsonOptions } = options;
  const limits = { readMaxBytes: readMaxBytes ?? bytesMax, writeMaxBytes: bytesMax };
  const lookup = createMethodSerializationLookup(spec.method, undefined, jsonOptions, limits);
  const { input } = spec.method;
  const codec = (isBinary: boolean, read?: RequestReader): MessageCodec => {
    const { parse } = lookup.getI(isBinary);
    return {
      decode(bytes) {
        guard(input, bytes, isBinary);
        // What the reader does not read is an error or too large, as the library says, or only unusual.
        return read?.(bytes) ?? parse(bytes);
      },
      encode: lookup.getO(isBinary).serialize,
    };
  };
  const codecs = { binary: codec(true, readers.get(input)), json: codec(false) };
  const around = (implementation: Next): Next => {
    const chain = options.interceptors.reduceRight((next, interceptor) => interceptor(next), implementation);
    return (request) => {
      try {
        return chain(request);
      } catch (error) {
        // It is called by the listeners of a stream, which must not throw.
        return Promise.reject(error);
      }
    };
  };
  return spec.kind === "unary"
    ? { kind: spec.kind, method: spec.method, invoke: around(unary(spec)), ...codecs }
    : { kind: spec.kind, method: spec.method, invoke: around(serverStreaming(spec)), ...codecs };
}

function unary({ method, impl }: Spec<"unary">): Next {
  return async (request) => {
    const exchange = exchangeOf(request);
    const answer = await impl(request.message as AnyMessage, contextOf(exchange, request));
    return new FastUnaryResponse(exchange, method, create(method.output, answer));
  };
}

function serverStreaming({ method, impl }: Spec<"server_streaming">): Next {
  return async (request) => {
    const exchange = exchangeOf(request);
    const message = await single(request.message as AsyncIterable<AnyMessage>);
    // Each message is completed when it is encoded, not here: interceptors do not look into the messages of answers.
    const messages = impl(message, contextOf(exchange, request)) as AsyncIterable<AnyMessage>;
    const { service, responseHeader: header, responseTrailer: trailer } = exchange;
    return { stream: true, service, method, message: messages, header, trailer };
  };
}

function exchangeOf(request: UnaryRequest | StreamRequest): Exchange {
  const exchange = request.contextValues.get(exchangeKey);
  if (exchange === undefined) throw new Error("an interceptor has replaced the context values of a call");
  return exchange;
}

/** The context of a handler: the exchange, with what an interceptor has put in the place of its parts. */
function contextOf(exchange: Exchange, request: UnaryRequest | StreamRequest): HandlerContext {
  if (!request.stream && "exchange" in request) return exchange;
  const { service, header: requestHeader, signal, contextValues: values } = request;
  const { method, requestMethod, protocolName, url, timeoutMs, responseHeader, responseTrailer } = exchange;
  const own = { method, requestMethod, protocolName, url, timeoutMs, responseHeader, responseTrailer };
  return { ...own, service, requestHeader, signal, values };
}

/** The one message of a request. */
async function single(messages: AsyncIterable<AnyMessage>): Promise<AnyMessage> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) {
    throw new ConnectError("protocol error: missing input message for server-streaming method", Code.Unimplemented);
  }
  const second = await iterator.next();
  if (second.done !== true) {
    throw new ConnectError(
      "protocol error: received extra input message for server-streaming method",
      Code.Unimplemented,
    );
  }
  return first.value;
}
