import type { IncomingHttpHeaders } from "node:http";
import type { DescMessage, DescMethod, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import {
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { isJsonKey } from "../../rpc/is-json-call.ts";
import { type Call, callKey, requestIdHeader } from "../call.ts";
import type { Cancellation } from "./cancellation.ts";
import { toWebHeaders } from "./header-conversion.ts";

/** The key under which a call's context values hold its {@link Exchange}. */
export const exchangeKey: ContextKey<Exchange | undefined> = createContextKey<Exchange | undefined>(undefined, {
  description: "the exchange of a call on the fast path",
});

/** What an {@link Exchange} is made of. */
export interface ExchangeInit {
  readonly call: Call;
  readonly cancellation: Cancellation;
  readonly method: DescMethod;
  readonly url: string;
  readonly isJson: boolean;
  readonly requestHeaders: IncomingHttpHeaders;
  /** What the answer's headers begin as, beside the request id. */
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** What the answer's trailers begin as. */
  readonly responseTrailers: Readonly<Record<string, string>>;
}

/**
 * Exchange is one call on the fast path, and the context that its handler gets. What costs more than it is worth to calls
 * that do not look at it (signal, headers, trailers) is made when it is first read.
 */
export class Exchange implements HandlerContext {
  readonly call: Call;
  readonly cancellation: Cancellation;
  readonly method: DescMethod;
  readonly service: DescService;
  readonly url: string;
  readonly requestMethod: string = "POST";
  readonly values: ContextValues;
  readonly timeoutMs: () => number | undefined;
  readonly #init: ExchangeInit;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  constructor(init: ExchangeInit) {
    this.#init = init;
    this.call = init.call;
    this.cancellation = init.cancellation;
    this.method = init.method;
    this.service = init.method.parent;
    this.url = init.url;
    this.values = createContextValues().set(callKey, init.call).set(exchangeKey, this).set(isJsonKey, init.isJson);
    this.timeoutMs = () => init.cancellation.remainingMs();
  }

  get protocolName(): string {
    return this.call.protocol;
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= toWebHeaders(this.#init.requestHeaders);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers(this.initialHeaders());
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers(this.#init.responseTrailers);
    return this.#responseTrailer;
  }

  /** The answer's headers if anybody has looked at them; otherwise they are {@link initialHeaders}. */
  get touchedHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  /** The answer's trailers if anybody has looked at them. */
  get touchedTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** What the answer's headers are as long as nobody has looked at them. */
  initialHeaders(): Record<string, string> {
    return { ...this.#init.responseHeaders, [requestIdHeader]: this.call.requestId };
  }

  /** Takes over headers and trailers that an interceptor has put in the place of the exchange's own. */
  adopt(response: { readonly header: Headers; readonly trailer: Headers }): void {
    if (response instanceof FastUnaryResponse && response.exchange === this) return;
    if (response.header !== this.#responseHeader) this.#responseHeader = new Headers(response.header);
    if (response.trailer !== this.#responseTrailer) this.#responseTrailer = new Headers(response.trailer);
  }
}

/**
 * FastUnaryRequest is a unary request as interceptors see it. Signal and header are getters: an interceptor that changes a
 * request names what it takes over instead of spreading it.
 */
export class FastUnaryRequest implements UnaryRequest {
  readonly stream = false;
  readonly message: MessageShape<DescMessage>;
  readonly method: DescMethodUnary;
  readonly service: DescService;
  readonly requestMethod: string;
  readonly url: string;
  readonly contextValues: ContextValues;
  readonly exchange: Exchange;

  constructor(exchange: Exchange, method: DescMethodUnary, message: MessageShape<DescMessage>) {
    this.exchange = exchange;
    this.message = message;
    this.method = method;
    this.service = exchange.service;
    this.requestMethod = exchange.requestMethod;
    this.url = exchange.url;
    this.contextValues = exchange.values;
  }

  get signal(): AbortSignal {
    return this.exchange.signal;
  }

  get header(): Headers {
    return this.exchange.requestHeader;
  }
}

/** FastUnaryResponse is the response of a unary call as interceptors see it. */
export class FastUnaryResponse implements UnaryResponse {
  readonly stream = false;
  readonly message: MessageShape<DescMessage>;
  readonly method: DescMethodUnary;
  readonly service: DescService;
  readonly exchange: Exchange;

  constructor(exchange: Exchange, method: DescMethodUnary, message: MessageShape<DescMessage>) {
    this.exchange = exchange;
    this.message = message;
    this.method = method;
    this.service = exchange.service;
  }

  get header(): Headers {
    return this.exchange.responseHeader;
  }

  get trailer(): Headers {
    return this.exchange.responseTrailer;
  }
}
